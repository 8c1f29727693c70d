// Package deb tests what is installed: the Debian package on a real Debian and under its systemd (build tag deb), the
// manual pages against the programs, and how versions are named.
package deb
