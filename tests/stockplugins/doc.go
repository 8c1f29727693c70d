// Package stockplugins runs the plugins of Debian's monitoring-plugins-basic, unchanged, as the prober does: named by
// "plugin:" and "args:" in a test's file, read by package confdir, started by the prober's Runner. The plugins dmonitor
// ships stand next to them and have to come to the same end.
//
// Where the package is missing, .ci/need installs it (as root on Debian) or says that it is missing, and the tests fail.
package stockplugins
