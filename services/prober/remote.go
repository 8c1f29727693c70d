package prober

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

// NameInCreds returns the name that a prober has to bear because it connects to the bus with a credentials file
// (DMONITOR_BUS_URL, DMONITOR_BUS_CREDS): no other would be let in. It is empty if the environment names no such file. The error
// is one of usage (proc.ErrUsage) if DMONITOR_NODE says another name or the credentials aren't a prober's; that the file
// can't be read isn't: it may be there later.
func NameInCreds(environ []string) (node string, err error) {
	set := map[string]string{}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		set[name] = value
	}
	path, said := set[proc.Prefix+"BUS_CREDS"], set[proc.Prefix+"NODE"]
	if path == "" || set[proc.Prefix+"BUS_URL"] == "" {
		return "", nil
	}
	c, err := key.OpenCreds(path)
	if err != nil {
		return "", proc.CredsError(err, "dmonitor creds prober NAME")
	}
	switch {
	case c.Kind != events.CredentialProber && c.Kind != events.CredentialNode:
		return "", fmt.Errorf("%w: %sBUS_CREDS: %s has credentials of kind %s, and this is a prober; make others on a node with: dmonitor creds prober %s",
			proc.ErrUsage, proc.Prefix, path, c.Kind, cmp.Or(said, "NAME"))
	case said != "" && said != c.Name:
		return "", fmt.Errorf("%w: %sNODE is %s, but the credentials in %s are those of %s; leave %sNODE out, or make others on a node with: dmonitor creds prober %s",
			proc.ErrUsage, proc.Prefix, said, path, c.Name, proc.Prefix, said)
	}
	return c.Name, nil
}
