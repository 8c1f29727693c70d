package plugins

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Defaults of check_ping: five packets in 0.4 s, and 2 s for the last one to come back. Longer than that takes no
// reply on earth, satellites included.
const (
	defaultPackets  = 5
	maxPackets      = 100
	defaultSpacing  = 100 * time.Millisecond
	defaultPingWait = 2 * time.Second
	maxPinged       = 4 // addresses
)

// pinger is what check_ping was asked.
type pinger struct {
	call          *call
	packets       uint
	spacing, wait timeSpan
	warn, crit    pingBound
}

// ping is check_ping: one reply to any of the packets, from any address of the host, means that it is up. It ends when
// every packet has been answered, or --wait after the last one was sent.
func ping(c *call) func(context.Context) outcome {
	p := &pinger{call: c, spacing: timeSpan(defaultSpacing), wait: timeSpan(defaultPingWait)}
	c.flags.UintVarP(&p.packets, "packets", "p", defaultPackets, fmt.Sprintf("packets to send to each address, at most %d", maxPackets))
	c.flags.VarP(&p.spacing, "interval", "i", "time between two packets")
	c.flags.VarP(&p.wait, "wait", "W", "time for the last reply to come")
	c.flags.VarP(&p.warn, "warning", "w", "warning if slower, or if more is lost")
	c.flags.VarP(&p.crit, "critical", "c", "fail if slower, or if more is lost")
	return p.look
}

func (p *pinger) look(ctx context.Context) outcome {
	if p.packets == 0 || p.packets > maxPackets {
		return p.call.misused(fmt.Errorf("packets %d: want 1 to %d", p.packets, maxPackets))
	}
	addrs, err := p.call.addresses(ctx, p.call.host)
	if err != nil {
		return broken(err)
	}
	echoes := p.pingAll(ctx, addrs[:min(len(addrs), maxPinged)])
	best := echoes[0]
	for _, e := range echoes {
		if len(e.rtts) > len(best.rtts) {
			best = e
		}
	}
	switch {
	case len(best.rtts) > 0:
		return p.judge(best)
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown("interrupted while waiting for a reply")
	}
	return p.silence(echoes)
}

// pingAll pings every address at the same time, each on a socket of its own.
func (p *pinger) pingAll(ctx context.Context, addrs []netip.Addr) []*echo {
	echoes := make([]*echo, len(addrs))
	var all sync.WaitGroup
	for i, a := range addrs {
		echoes[i] = newEcho(a, int(p.packets))
		all.Go(func() { echoes[i].run(ctx, time.Duration(p.spacing), time.Duration(p.wait)) })
	}
	all.Wait()
	return echoes
}

func (p *pinger) judge(e *echo) outcome {
	rta, loss := e.rta(), 100*float64(e.count-len(e.rtts))/float64(e.count)
	o := good("%d of %d replies from %s in %s", len(e.rtts), e.count, e.to, span(rta))
	ms := float64(rta) / float64(time.Millisecond)
	switch {
	case p.crit.exceeded(ms, loss):
		o.exit, o.text = exitFail, o.text+": worse than "+p.crit.String()
	case p.warn.exceeded(ms, loss):
		o.exit, o.text = exitWarning, o.text+": worse than "+p.warn.String()
	}
	o.perf = []string{
		fmt.Sprintf("rta=%.3fms;%s;%s;0", ms, p.warn.ms(), p.crit.ms()),
		fmt.Sprintf("pl=%.0f%%;%s;%s;0;100", loss, p.warn.percent(), p.crit.percent()),
	}
	return o
}

// silence is the outcome of no reply at all. It is the host's fault if at least one address was asked and kept silent.
func (p *pinger) silence(echoes []*echo) outcome {
	var silent, unable []string
	for _, e := range echoes {
		switch {
		case e.err != nil:
			unable = append(unable, fmt.Sprintf("%s: %v", e.to, e.err))
		case e.said != "":
			silent = append(silent, fmt.Sprintf("%s (%s)", e.to, e.said))
		default:
			silent = append(silent, e.to.String())
		}
	}
	if len(silent) == 0 {
		return broken(own("can't ping %s", strings.Join(unable, "; ")))
	}
	took, _ := p.call.took()
	o := fail("no reply from %s to %d packets within %s", strings.Join(silent, ", "), p.packets, span(took))
	if p.call.host != echoes[0].to.String() {
		o.text += " (" + p.call.host + ")"
	}
	o.perf = []string{fmt.Sprintf("pl=100%%;%s;%s;0;100", p.warn.percent(), p.crit.percent())}
	o.detail = unable
	return o
}

// pingBound is a limit as Nagios plugins write it: round trip in milliseconds and loss in percent, "100,20%".
type pingBound struct {
	set       bool
	rta, loss float64
}

func (b *pingBound) exceeded(rta, loss float64) bool { return b.set && (rta > b.rta || loss > b.loss) }

// ms and percent are the two limits as perfdata wants them; empty if there is none.
func (b *pingBound) ms() string { return b.format(b.rta) }

func (b *pingBound) percent() string { return b.format(b.loss) }

func (b *pingBound) format(v float64) string {
	if !b.set {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Set implements pflag.Value.
func (b *pingBound) Set(s string) error {
	rta, loss, ok := strings.Cut(s, ",")
	ms, err := strconv.ParseFloat(rta, 64)
	percent, err2 := strconv.ParseFloat(strings.TrimSuffix(loss, "%"), 64)
	if !ok || err != nil || err2 != nil || !(ms >= 0) || !(percent >= 0 && percent <= 100) {
		return fmt.Errorf("%s: want milliseconds and loss, such as 100,20%%", quote(s))
	}
	*b = pingBound{set: true, rta: ms, loss: percent}
	return nil
}

// String implements pflag.Value.
func (b *pingBound) String() string {
	if !b.set {
		return ""
	}
	return b.ms() + "," + b.percent() + "%"
}

// Type implements pflag.Value; it names the value in --help.
func (b *pingBound) Type() string { return "MS,LOSS%" }
