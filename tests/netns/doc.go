// Package netns tests dmonitor on a network that really loses, delays and cuts: three `dmonitor run` processes, the
// host they watch with a DNS server beside it, and a mail server, each in a network namespace of its own, joined by a
// bridge in one more. Everything that goes wrong goes wrong in that bridge, so that the processes see what they would
// see of a bad cable: nothing.
//
// The namespaces have no names. They belong to processes that end with this one, however it ends, and the kernel removes
// them and their links with the last process in them. So nothing is left behind, and runs can't collide.
//
// Packets are dropped by nftables in the bridge. Delay does not need netem, which many kernels lack: the cable of a slow
// node is a pair of TAP devices, and this process carries the frames from one to the other, later.
//
// The tests have the build tag "netns", so that they run only when asked for: make test-netns. They need root, ip, nft
// and nsenter, and fail, saying so, where one is missing.
package netns
