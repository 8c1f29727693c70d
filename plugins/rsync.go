package plugins

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const rsyncPort = 873

// The lines of a daemon begin with these; others are words for people. There is no RFC: this is what rsync's own source
// (clientserver.c) and csprotocol.txt say.
const (
	rsyncGreeting = "@RSYNCD: "
	rsyncError    = "@ERROR"
	// rsyncHello is the protocol of rsync 3.1 and 3.2. Who names a later one has to name digests as well, and servers
	// take the lower of both sides' versions.
	rsyncHello = "@RSYNCD: 31.0"
)

// Limits of a daemon: a mirror may have hundreds of modules.
const (
	maxModule  = 255
	maxModules = 1 << 20 // bytes of the list
)

// rsync is check_rsync: the daemon must greet and tell its modules, or have the one of --module. Nothing is copied.
func rsync(c *call) func(context.Context) outcome {
	g := newGreeter(c, "rsync", rsyncPort, "")
	g.limit, g.eol = maxModules, "\n"
	module := c.flags.StringP("module", "m", "", "it must have this module")
	return func(ctx context.Context) outcome {
		if err := moduleName(*module); err != nil {
			return c.misused(err)
		}
		return g.look(ctx, func(d *dialogue) error { return rsyncTalk(d, *module) })
	}
}

func moduleName(s string) error {
	if len(s) > maxModule || strings.ContainsAny(s, "\r\n\x00/") || strings.HasPrefix(s, "#") {
		return fmt.Errorf("%s can't be the name of a module", quote(s))
	}
	return nil
}

// rsyncTalk is the conversation: both sides say their version, then the client names a module, or asks for the list.
func rsyncTalk(d *dialogue, module string) error {
	hi, err := d.line()
	if err != nil {
		return err
	}
	d.said = hi
	switch {
	case strings.HasPrefix(hi, rsyncError):
		return d.refused(hi)
	case !strings.HasPrefix(hi, rsyncGreeting):
		return d.foreign(hi)
	}
	want := module
	if want == "" {
		want = "#list"
	}
	if err := d.say(rsyncHello + "\n" + want); err != nil {
		return err
	}
	d.stage = "its list of modules"
	if module != "" {
		d.stage = "a word about module " + quote(module)
	}
	count := 0
	for {
		line, err := d.line()
		if err != nil {
			return err
		}
		state, isState := strings.CutPrefix(line, rsyncGreeting)
		switch {
		case strings.HasPrefix(line, rsyncError):
			return errors.New(portOf(d.conn) + " answered with " + inFull(line))
		case isState && module == "" && state == "EXIT":
			d.notes = append(d.notes, fmt.Sprintf("%d modules", count))
			return nil
		case isState && module != "" && state == "OK":
			d.notes = append(d.notes, "has module "+quote(module))
			return nil
		case isState && module != "" && strings.HasPrefix(state, "AUTHREQD "):
			d.notes = append(d.notes, "has module "+quote(module)+" and wants a login for it")
			return nil
		case strings.Contains(line, "\t"): // name and comment; what else comes is the message of the day
			count++
		}
	}
}
