package bus_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// TestAnswersAreNotDirectedElsewhere: the server looks at the subject that is published to, and not at the one an answer is
// asked for on. So whoever may ask something could have the answer, which is the server's own word and passes everywhere,
// put where he may not speak. A prober's results are stored without an answer.
func TestAnswersAreNotDirectedElsewhere(t *testing.T) {
	t.Parallel()
	ring := bustest.NewRing(t)
	b := aloneWithKey(t, ring)
	heard := make(chan *nats.Msg, 100)
	for _, subject := range []string{"$KV.>", "dmonitor.jobs.>", "dmonitor.propose.>", "elsewhere.>"} {
		_, err := b.Conn().ChanSubscribe(subject, heard)
		must(t, err)
	}
	must(t, b.Conn().Flush())

	prober := connectCreds(t, b, mint(t, ring, events.CredentialProber, "tokyo-1"))
	for _, reply := range []string{"$KV.CONFIG.n0", "$KV.LEASES.scheduler", "dmonitor.jobs.n0", "dmonitor.propose.closed.ssh.www.example.com", "elsewhere.x"} {
		for _, subject := range []string{"dmonitor.results.tokyo-1.ssh.www.example.com", "dmonitor.presence.tokyo-1"} {
			must(t, prober.PublishRequest(subject, reply, []byte("{}")))
		}
	}
	must(t, prober.Flush())
	must(t, b.Conn().Publish("elsewhere.last", nil))
	eventually(t, "the results are stored", func() bool {
		s, err := b.JetStream().Stream(within(t), events.StreamResults)
		return err == nil && s.CachedInfo().State.Msgs == 5
	})
	for last := false; !last; {
		select {
		case msg := <-heard:
			if last = msg.Subject == "elsewhere.last"; !last {
				t.Errorf("%s: %q", msg.Subject, msg.Data)
			}
		case <-time.After(bustest.Patience):
			t.Fatal("the last word was not heard")
		}
	}
}

func aloneWithKey(t *testing.T, ring *key.Ring) *bus.Bus {
	t.Helper()
	b, err := bus.Open(within(t), bus.Options{Node: "n0", Data: t.TempDir(), ClientListen: "127.0.0.1:0", Key: fixed(ring)})
	must(t, err)
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
		defer stop()
		must(t, b.Close(ctx))
	})
	must(t, b.Ready(within(t)))
	return b
}

// TestStrangersAtTheClientPort: who has no credential is greeted, may begin TLS, and hears nothing that was said on the bus:
// neither in clear, nor without a credential, nor with one that another key has signed.
func TestStrangersAtTheClientPort(t *testing.T) {
	t.Parallel()
	ring := bustest.NewRing(t)
	b := aloneWithKey(t, ring)
	theirs := mint(t, bustest.NewRing(t), events.CredentialNode, "n9")
	_, addr, _ := strings.Cut(b.ClientURL(), "://")
	for name, opts := range map[string][]nats.Option{
		"no credential":            {nats.Secure(&tls.Config{InsecureSkipVerify: true})},
		"another key's credential": {nats.Secure(&tls.Config{InsecureSkipVerify: true}), nats.UserJWT(theirs.JWT, theirs.Sign)},
		"a name and a password":    {nats.Secure(&tls.Config{InsecureSkipVerify: true}), nats.UserInfo("anybody", "")},
		"the server's own account": {nats.Secure(&tls.Config{InsecureSkipVerify: true}), nats.UserInfo("sys", "")},
	} {
		if nc, err := nats.Connect(b.ClientURL(), append(opts, nats.MaxReconnects(0))...); err == nil {
			nc.Close()
			t.Errorf("%s: let in", name)
		}
	}

	conn, err := net.Dial("tcp", addr)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(bustest.Patience)))
	in := bufio.NewReader(conn)
	greeting, err := in.ReadString('\n')
	must(t, err)
	_, err = io.WriteString(conn, "CONNECT {\"verbose\":false}\r\nSUB > 1\r\nPUB dmonitor.jobs.n0 0\r\n\r\nPING\r\n")
	must(t, err)
	rest, err := io.ReadAll(in)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Error("the connection is still open")
	}
	if !strings.HasPrefix(greeting, "INFO ") || strings.Contains(string(rest), "PONG") || strings.Contains(string(rest), "MSG ") {
		t.Errorf("in clear: greeted by %q, and then %q", greeting, rest)
	}
	for _, secret := range []string{"connect_urls", "dmonitor-key"} {
		if strings.Contains(greeting, secret) {
			t.Errorf("the greeting says %q", greeting)
		}
	}
}

// TestOperatorsAnswersAreNotDirectedElsewhere: the same for an operator, who may ask a lot. Whatever it asks for an answer
// on, no order reaches JetStream, nothing is stored, and nobody hears of it.
func TestOperatorsAnswersAreNotDirectedElsewhere(t *testing.T) {
	t.Parallel()
	ring := bustest.NewRing(t)
	b := aloneWithKey(t, ring)
	heard := make(chan *nats.Msg, 1000)
	for _, subject := range []string{"$KV.>", "dmonitor.jobs.>", "dmonitor.propose.>", "dmonitor.outages.>", "elsewhere.>"} {
		_, err := b.Conn().ChanSubscribe(subject, heard)
		must(t, err)
	}
	must(t, b.Conn().Flush())
	before := streamsOf(t, b)

	operator := connectCreds(t, b, mint(t, ring, events.CredentialOperator, "ann"))
	asks, _ := events.Rights(events.CredentialOperator, "ann")
	for _, ask := range asks {
		ask = strings.NewReplacer("*", "n7", ">", "x").Replace(ask)
		for _, reply := range []string{
			"$KV.CONFIG.n0", "$KV.LEASES.scheduler", "dmonitor.jobs.n0", "dmonitor.propose.closed.ssh.www.example.com", "elsewhere.x",
			"$JS.API.STREAM.DELETE.OUTAGES", "$JS.API.STREAM.PURGE.OUTAGES", "$JS.API.STREAM.DELETE.KV_CONFIG", "$JS.API.CONSUMER.DELETE.OUTAGES.fan-out",
		} {
			for _, body := range []string{"", `{"seq":999}`, `{"last_by_subj":"$KV.CONFIG.n0"}`} {
				must(t, operator.PublishRequest(ask, reply, []byte(body)))
			}
		}
	}
	must(t, operator.Flush())
	// The answers come from other goroutines of the server. When one that was asked for last is here, the others are.
	eventually(t, "an answer comes", func() bool {
		inbox := events.InboxPrefix(events.CredentialOperator, "ann") + ".last"
		sub, err := operator.SubscribeSync(inbox)
		must(t, err)
		defer func() { _ = sub.Unsubscribe() }()
		must(t, operator.PublishRequest("_dmonitor.api.DIRECT.GET.OUTAGES", inbox, []byte(`{"seq":999}`)))
		_, err = sub.NextMsg(time.Second)
		return err == nil
	})
	must(t, b.Conn().Publish("elsewhere.last", nil))
	for last := false; !last; {
		select {
		case msg := <-heard:
			if last = msg.Subject == "elsewhere.last"; !last {
				t.Errorf("%s: %q", msg.Subject, msg.Data)
			}
		case <-time.After(bustest.Patience):
			t.Fatal("the last word was not heard")
		}
	}
	if after := streamsOf(t, b); after != before {
		t.Errorf("before: %s\nafter: %s", before, after)
	}
}

// streamsOf says which streams there are, how much is in them, and who reads them.
func streamsOf(t *testing.T, b *bus.Bus) string {
	t.Helper()
	var all []string
	names := b.JetStream().StreamNames(within(t))
	for name := range names.Name() {
		s, err := b.JetStream().Stream(within(t), name)
		must(t, err)
		info, err := s.Info(within(t))
		must(t, err)
		all = append(all, fmt.Sprintf("%s %s %d..%d, %d read", name, info.Created, info.State.FirstSeq, info.State.LastSeq, info.State.Consumers))
	}
	must(t, names.Err())
	slices.Sort(all)
	return strings.Join(all, "; ")
}
