// Package mta sends mail through a mail server as Debian has it: Exim, with a certificate of an authority made here, with
// logins, and with a mailbox the tests read. What is under test is the whole of `dmonitor run`.
//
// The tests have the build tag "mta", so that they run only when asked for: make test-mta. Exim is downloaded and
// unpacked, not installed: the machine's own mail server, if there is one, neither sees nor hears of it. It runs in
// folders of its own, as the user who tests, or as nobody if that is root. Where it can't be had the tests fail.
package mta
