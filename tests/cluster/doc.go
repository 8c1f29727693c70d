// Package cluster tests dmonitor as its users run it: real `dmonitor run` processes on loopback addresses of their own,
// a real host that stops answering, a real mail server, and a client that knows nothing of NATS libraries.
package cluster
