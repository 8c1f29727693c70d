//go:build unix && !linux

package plugin

import "context"

func fastPath() bool { return false }

func (r *Runner) runFast(context.Context, command, *buffers) (outcome, error) {
	return outcome{}, errNoPidfd
}

// cage is empty: these systems have no way to limit a process that was started already.
type cage struct{ limits Limits }

func newCage(Limits) *cage { return &cage{} }

func (*cage) put(int) {}

func (*cage) crowded() bool { return false }

// MachineMemory is 0: it is asked for limits alone.
func MachineMemory() uint64 { return 0 }

func strips() string { return "" }

func hasFileCapabilities(string) bool { return false }
