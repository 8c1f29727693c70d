package plugin

import (
	"os"

	"golang.org/x/sys/unix"
)

// strips says what takes setuid bits and file capabilities from programs that this process starts; empty if nothing does.
func strips() string {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil && field(status, "NoNewPrivs:") == "1" {
		return "NoNewPrivileges (no-new-privileges)"
	}
	return ""
}

func hasFileCapabilities(path string) bool {
	n, err := unix.Getxattr(path, "security.capability", nil)
	return err == nil && n > 0
}
