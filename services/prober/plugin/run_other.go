//go:build unix && !linux

package plugin

import "context"

func fastPath() bool { return false }

func (r *Runner) runFast(context.Context, command, *buffers) (outcome, error) {
	return outcome{}, errNoPidfd
}
