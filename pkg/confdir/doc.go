// Package confdir reads the directory that says what to watch (/etc/dmonitor, on any fs.FS) and returns one checked
// snapshot of it:
//
//	nodes.txt                    one node a line: host[:port], '#' comments; port 2929 if left out
//	hosts.d/www.example.com/ssh  a check; empty, or YAML: interval, timeout, agree, plugin, args, nodes, recipients, note
//	alert.d/foo@example.com      a recipient; empty, or YAML: hosts, tests, operator
//	revoked.d/prober.tokyo-1     credentials that are taken back; empty, or YAML: before, because
//
// What holds:
//
//   - Everything wrong is reported at once, each Problem with its file, its line where there is one, and what to do.
//   - A file with a problem counts for nothing, and no other file suffers from it. Keep puts what such a file said
//     before back in force; a file that was removed is gone.
//   - Every Definition, Recipient and Revocation of a snapshot keeps the rules of package events, and is filled in completely.
//   - The order of a snapshot is fixed: the same files give the same snapshot, byte for byte.
//   - Nothing is read but regular files of at most MaxFile bytes, so a FIFO, a device or a huge file can't hold up the
//     reader. YAML is read strictly: unknown and repeated keys, aliases, anchors and tags are refused.
//
// What editors and package tools leave lying about is passed over: names that start with '.', names that end in '~' or
// ".swp", "#name#", and names with ".dpkg-" in them. A name that starts with '_' in a host's directory is reserved for
// later versions and reported. Everything else in those directories has to be right.
//
// A default timeout that is longer than a check's own interval is lowered to that interval without a word, because the
// author of the file wrote nothing wrong; a timeout written in the file has to fit.
package confdir
