// Package upgrade runs today's dmonitor together with a newer one: the same tree with a small patch, which writes fields,
// events and versions that today's does not know. Real processes on loopback, a real host, a real mail server. It needs git.
package upgrade
