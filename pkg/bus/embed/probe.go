package embed

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// probeWait is how long a member gets to say its name: a few round trips to the other side of the world.
const probeWait = time.Second

// A peer is what answered on a member's address.
type peer struct {
	addr string
	name string // empty: it didn't say
	err  error
}

// probe asks all members' addresses at once. A member says its name before anything else, so nothing is sent.
func probe(ctx context.Context, addrs []string) []peer {
	ctx, stop := context.WithTimeout(ctx, probeWait)
	defer stop()
	out := make([]peer, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() { out[i] = probeOne(ctx, addr) })
	}
	wg.Wait()
	return out
}

func probeOne(ctx context.Context, addr string) peer {
	p := peer{addr: addr}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		p.err = err
		return p
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 64<<10)).ReadString('\n')
	if err != nil {
		p.err = err
		return p
	}
	var info struct {
		Name string `json:"server_name"`
	}
	if body, ok := strings.CutPrefix(line, "INFO "); ok {
		p.err = json.Unmarshal([]byte(body), &info)
		p.name = info.Name
	}
	return p
}

// nameIsFree returns an error if a running member already has this one's name. It is called before the server starts,
// so whoever answers is another one.
func (o Options) nameIsFree(ctx context.Context) error {
	for _, p := range probe(ctx, o.Nodes) {
		if p.name == o.Name {
			return errTaken(o.Name, p.addr)
		}
	}
	return nil
}

// unknownName tells a name that doesn't exist, which is a mistake in the list, from a host that is off.
func unknownName(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return " (no such host in DNS)"
	}
	return ""
}

func errTaken(name, where string) error {
	return fmt.Errorf("join the bus as %q: the member at %s has this name already; every node needs its own (DMONITOR_NODE)", name, where)
}
