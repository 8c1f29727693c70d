// Package compose starts the demo of docker-compose.yml for real, with whichever Compose there is, and reads the mails
// that arrive in its inbox.
//
// The tests have the build tag "compose", so that they run only when asked for: make test-compose. They need Docker
// and fail, saying so, where there is none.
//
// Where the images that the Dockerfile starts from can't be pulled, stand-ins are made under the same names: Debian
// by debootstrap, and on top of it the Go toolchain that runs the tests, with the machine's certificate authorities
// and its settings for the module proxy. The Dockerfile does not know. Stand-ins carry the label
// org.dmonitor.stand-in and stay on the machine, so that the next run is quick; every run says that it uses them and
// how to remove them.
package compose
