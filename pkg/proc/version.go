package proc

import (
	"runtime"
	"runtime/debug"
)

// version is stamped by the build: -ldflags "-X github.com/dmonitor/dmonitor/pkg/proc.version=v1.2.3".
var version string

// Version is dmonitor's version: the stamped one, else what Go knows of the module, else "devel".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// VersionLine is what --version prints.
func VersionLine(name string) string {
	return name + " " + Version() + " (" + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}
