// Package rig sets up what the heavy tests and benchmarks need: dmonitor built from this tree, nodes as real
// `dmonitor run` processes on loopback addresses of their own, a host that stops answering, a mail server, and a client
// that knows nothing of NATS libraries. All of it ends with the test.
package rig
