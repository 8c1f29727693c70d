package cluster

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// subjects has every constant of pkg/events that is a subject or the beginning of one.
var subjects = map[string]string{
	"SubjectJobs": events.SubjectJobs, "SubjectConfirm": events.SubjectConfirm, "SubjectResults": events.SubjectResults,
	"SubjectPresence": events.SubjectPresence, "SubjectPropose": events.SubjectPropose, "SubjectOutages": events.SubjectOutages,
	"SubjectNotices": events.SubjectNotices, "SubjectDeliveries": events.SubjectDeliveries, "SubjectConfig": events.SubjectConfig,
	"SubjectProposeTrouble": events.SubjectProposeTrouble, "SubjectTroubles": events.SubjectTroubles,
	"SubjectUncommitted": events.SubjectUncommitted, "SubjectTold": events.SubjectTold, "SubjectToldAsk": events.SubjectToldAsk,
	"SubjectMembers": events.SubjectMembers, "SubjectForget": events.SubjectForget,
}

// may is who may speak where, in this test's own words: rights[0] is what may be published, rights[1] subscribed to.
var may = map[events.CredentialKind][2][]string{
	events.CredentialNode: {{">"}, {">"}},
	events.CredentialProber: {
		{"dmonitor.results.tokyo-1.>", "dmonitor.presence.tokyo-1"},
		{"dmonitor.jobs.tokyo-1", "dmonitor.confirm.>", "dmonitor.presence.tokyo-1"},
	},
	events.CredentialReader: {{}, {"dmonitor.outages.>"}},
	events.CredentialOperator: {
		{
			"_dmonitor.members", "_dmonitor.forget.*", "_dmonitor.api.STREAM.INFO.NOTICES",
			"_dmonitor.api.DIRECT.GET.OUTAGES", "_dmonitor.api.DIRECT.GET.TROUBLES", "_dmonitor.api.DIRECT.GET.DELIVERIES",
			"_dmonitor.api.DIRECT.GET.RESULTS", "_dmonitor.api.DIRECT.GET.KV_CONFIG",
			"_dmonitor.api.STREAM.MSG.GET.KV_CONFIG", "_dmonitor.api.STREAM.MSG.GET.KV_LEASES",
		},
		{"dmonitor.outages.>", "dmonitor.presence.*", "_INBOX_operator_tokyo-1.>"},
	},
}

// within tells whether all that a subject or pattern means is meant by another pattern.
func within(subject, pattern string) bool {
	s, p := strings.Split(subject, "."), strings.Split(pattern, ".")
	for i, token := range p {
		switch {
		case i >= len(s):
			return false
		case token == ">":
			return true
		case token == "*" && s[i] != ">":
		case token != s[i]:
			return false
		}
	}
	return len(s) == len(p)
}

func withinAny(subject string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return within(subject, p) })
}

// tried are subjects that somebody might publish to or subscribe to.
func tried() (all []string) {
	tails := []string{
		"tokyo-1", "n0", "tokyo-1.ssh.www.example.com", "n0.ssh.www.example.com", "opened.ssh.www.example.com", "ssh.www.example.com", "tokyo-1x",
	}
	for _, s := range subjects {
		for _, tail := range tails {
			all = append(all, s+tail)
		}
		all = append(all, strings.TrimSuffix(s, "."))
	}
	for _, inbox := range []string{"_INBOX", events.InboxPrefix(events.CredentialProber, "tokyo-1"), events.InboxPrefix(events.CredentialOperator, "tokyo-1"), events.InboxPrefix(events.CredentialOperator, "other")} {
		all = append(all, inbox+".abc")
	}
	for _, stream := range []string{events.StreamOutages, events.StreamNotices, events.StreamResults, "KV_" + events.BucketConfig, "KV_" + events.BucketLeases} {
		for _, call := range []string{
			"STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.INFO", "STREAM.MSG.GET", "STREAM.MSG.DELETE", "STREAM.SNAPSHOT",
			"STREAM.LEADER.STEPDOWN", "STREAM.PEER.REMOVE", "CONSUMER.NAMES", "DIRECT.GET",
		} {
			all = append(all, "$JS.API."+call+"."+stream, "_dmonitor.api."+call+"."+stream)
		}
		all = append(all, "$JS.API.CONSUMER.CREATE."+stream, "$JS.API.CONSUMER.CREATE."+stream+".x", "$JS.API.CONSUMER.CREATE."+stream+".x.dmonitor.results.>",
			"$JS.API.CONSUMER.DELETE."+stream+".x", "$JS.API.CONSUMER.MSG.NEXT."+stream+".x", "$JS.API.DIRECT.GET."+stream+".dmonitor.x",
			"$JS.ACK."+stream+".fan-out.1.1.1.1.0", "$JS.FC."+stream+".x")
	}
	return append(all, "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.SERVER.REMOVE", "$JS.API.META.LEADER.STEPDOWN", "$JS.API.ACCOUNT.PURGE.X",
		"$KV.CONFIG.n0", "$KV.LEASES.scheduler", "$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "$SYS.ACCOUNT.$G.CONNECT", "$NRG.V.x", "$JSC.SYNC.x",
		"$MQTT.sub.x", "_R_.x", "_GR_.x", "anything", "dmonitor")
}

// patterns are what somebody might subscribe to besides.
func patterns() (all []string) {
	for _, s := range subjects {
		all = append(all, s+">", s+"*", s+"*.>", s+"tokyo-1.>", s+"*.ssh.>")
	}
	return append(all, ">", "*", "*.>", "*.*", "dmonitor.>", "dmonitor.*", "dmonitor.*.>", "dmonitor.*.tokyo-1", "dmonitor.*.tokyo-1.>", "dmonitor.jobs.*", "*.jobs.tokyo-1",
		"_INBOX.>", "_INBOX.*", "_INBOX_operator_tokyo-1.>", "_INBOX_operator_other.>", "_INBOX_prober_tokyo-1.>", "$JS.>", "$JS.API.>", "$JS.ACK.>", "$KV.>", "$SYS.>", "_dmonitor.>")
}

// A subject that is new in pkg/events has to be tried with every credential.
func TestEverySubjectIsTried(t *testing.T) {
	pkgs, err := parser.ParseDir(token.NewFileSet(), "../../pkg/events", nil, 0) //nolint:staticcheck // names of constants are all it takes
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range pkgs["events"].Files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Subject") {
						found[name.Name] = true
					}
				}
			}
		}
	}
	want, have := slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(subjects))
	if !slices.Equal(want, have) {
		t.Errorf("pkg/events has the subjects\n%q\nand tried are\n%q", want, have)
	}
}

// rightsStage is three members with a key, in one process.
type rightsStage struct {
	*bustest.Cluster
	key string
}

func newRightsStage(t *testing.T) *rightsStage {
	s := &rightsStage{key: key.New()}
	ring := bustest.NewRing(t, s.key)
	source := func() *key.Ring { return ring }
	s.Cluster = bustest.Keyed(t, source, source, source)
	return s
}

// Rights: what isn't allowed is refused, with every credential, on any member, and what is refused reaches nobody.
func TestRights(t *testing.T) {
	t.Parallel()
	s := newRightsStage(t)
	for _, kind := range events.CredentialKinds {
		_, creds := rig.Mint(t, s.key, kind, "tokyo-1")
		t.Run(string(kind)+" publishes", func(t *testing.T) { s.publishes(t, creds) })
		t.Run(string(kind)+" subscribes", func(t *testing.T) { s.subscribes(t, creds) })
	}
	t.Run("replies lead nowhere", s.repliesLeadNowhere)
	t.Run("who comes in", s.whoComesIn)
	t.Run("a reload changes nothing", s.reload)
	t.Run("a member forgets for an operator", s.forgets)
	t.Run("revoked", s.revoked) // the last: it restarts members
}

func (s *rightsStage) publishes(t *testing.T, c *key.Creds) {
	allowed := may[c.Kind][0]
	ears := listen(t, s.Bus(2).Conn())
	mouth := rig.Speak(t, s.Bus(1).ClientURL(), c)
	mark := "marker-of-" + string(c.Kind) // nothing that any part takes for its own
	say := func(subject string) string { return fmt.Sprintf("PUB %s %d\r\n%s", subject, len(mark), mark) }
	for _, subject := range tried() {
		errs, over := mouth.Say(say(subject))
		refused := len(errs) > 0 && strings.Contains(errs[0], "Permissions Violation for Publish")
		if over || len(errs) > 1 || len(errs) == 1 && !refused {
			t.Fatalf("publish on %s: %q, hung up: %v", subject, errs, over)
		}
		reserved := slices.ContainsFunc([]string{"_R_", "_GR_", "$NRG."}, func(p string) bool { return strings.HasPrefix(subject, p) }) // the server's own
		if refused == withinAny(subject, allowed) && !reserved {
			t.Errorf("publish on %s: refused %v", subject, refused)
		}
	}
	for _, subject := range ears.marked(mark) {
		if call, ok := strings.CutPrefix(subject, "$JS.API."); ok && c.Kind == events.CredentialOperator {
			subject = "_dmonitor.api." + call // as it was called in the operators' account
		}
		if !withinAny(subject, allowed) {
			t.Errorf("something arrived on %s", subject)
		}
	}
	if c.Kind == events.CredentialProber { // else the ears prove nothing
		rig.Until(t, "what is allowed arrives at another member", func() bool {
			mouth.Say(say("dmonitor.presence.tokyo-1"))
			return slices.Contains(ears.marked(mark), "dmonitor.presence.tokyo-1")
		})
	}
}

func (s *rightsStage) subscribes(t *testing.T, c *key.Creds) {
	allowed := may[c.Kind][1]
	ear := rig.Speak(t, s.Bus(1).ClientURL(), c)
	sid := 0
	for _, subject := range append(tried(), patterns()...) {
		for _, queue := range []string{"", "q ", "arbiters ", "* "} {
			sid++
			errs, over := ear.Say(fmt.Sprintf("SUB %s %s%d", subject, queue, sid))
			refused := len(errs) == 1 && strings.Contains(errs[0], "Permissions Violation for Subscription")
			if over || len(errs) > 0 && !refused {
				t.Fatalf("subscribe to %s %s: %q, hung up: %v", subject, queue, errs, over)
			}
			// The server takes a.> for something that a.* allows; what comes by it is looked at below.
			likeStar := strings.HasSuffix(subject, ">") && withinAny(strings.TrimSuffix(subject, ">")+"*", allowed)
			if refused == withinAny(subject, allowed) && !likeStar {
				t.Errorf("subscribe to %s %s: refused %v", subject, queue, refused)
			}
		}
	}
	// Whatever the answers were: what does it hear, of what others say on another member?
	nc := s.Bus(2).Conn()
	for _, subject := range tried() {
		if strings.HasPrefix(subject, "dmonitor.") || strings.HasPrefix(subject, "_") && !strings.HasPrefix(subject, "_GR_") && !strings.HasPrefix(subject, "_R_") {
			if err := nc.Publish(subject, []byte("marker-of-the-test")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(allowed) > 0 && c.Kind != events.CredentialNode {
		last := strings.NewReplacer(">", "last", "*", "last").Replace(allowed[0])
		rig.Until(t, "what is allowed is heard", func() bool {
			_ = nc.Publish(last, []byte("marker-of-the-test"))
			_ = nc.Flush()
			ear.Say()
			return slices.Contains(ear.Heard, last)
		})
	}
	for _, subject := range ear.Heard {
		if !withinAny(subject, allowed) {
			t.Errorf("heard something on %s", subject)
		}
	}
}

// A message may ask for an answer on any subject, or for a trace of its way; members that answer could say there what the
// asker may not.
func (s *rightsStage) repliesLeadNowhere(t *testing.T) {
	_, prober := rig.Mint(t, s.key, events.CredentialProber, "tokyo-1")
	mouth := rig.Speak(t, s.Bus(1).ClientURL(), prober)
	ears := listen(t, s.Bus(2).Conn())
	targets := []string{"dmonitor.jobs.n0", "dmonitor.results.n0.ssh.www.example.com", "$JS.API.STREAM.PURGE.OUTAGES", "elsewhere"}
	for _, reply := range targets {
		for _, subject := range []string{"dmonitor.results.tokyo-1.ssh.www.example.com", "dmonitor.presence.tokyo-1"} {
			mouth.Say("PUB " + subject + " " + reply + " 1\r\nx")
			head := "NATS/1.0\r\nNats-Trace-Dest: " + reply + "\r\n\r\n"
			if errs, _ := mouth.Say(fmt.Sprintf("HPUB %s %d %d\r\n%sx", subject, len(head), len(head)+1, head)); len(errs) != 1 {
				t.Errorf("a trace to %s was not refused: %q", reply, errs)
			}
		}
	}
	mouth.Say("PUB dmonitor.presence.tokyo-1 18\r\nmarker-of-the-test")
	rig.Until(t, "the last word", func() bool { return slices.Contains(ears.marked("marker-of-the-test"), "dmonitor.presence.tokyo-1") })
	for _, subject := range ears.all() {
		if slices.Contains(targets, subject) {
			t.Errorf("something was said on %s", subject)
		}
	}
}

// whoComesIn tries what isn't a good credential, on every member.
func (s *rightsStage) whoComesIn(t *testing.T) {
	ring := bustest.NewRing(t, s.key)
	_, foreign := rig.Mint(t, key.New(), events.CredentialReader, "x")
	_, good := rig.Mint(t, s.key, events.CredentialReader, "x")
	_, other := rig.Mint(t, s.key, events.CredentialReader, "y")
	soon, _, err := ring.Mint(events.CredentialReader, "x", time.Now(), time.Now().Add(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	expiring, err := key.ParseCreds("x", soon)
	if err != nil {
		t.Fatal(err)
	}
	trust := nats.Secure(good.TLS())
	stranger, _ := nkeys.CreateUser()
	strangerKey, _ := stranger.PublicKey()
	account, _ := nkeys.CreateAccount()
	accountKey, _ := account.PublicKey()
	forge := func(change func(*jwt.UserClaims)) nats.Option {
		claims := jwt.NewUserClaims(strangerKey)
		claims.Name = "node.n0"
		change(claims)
		token, err := claims.Encode(account)
		if err != nil {
			t.Fatal(err)
		}
		return nats.UserJWT(func() (string, error) { return token, nil }, stranger.Sign)
	}
	goodToken, _ := good.JWT()
	for i := range s.Len() {
		url := s.Bus(i).ClientURL()
		for name, login := range map[string]nats.Option{
			"nothing":                  nats.Name("x"),
			"a name and a password":    nats.UserInfo("anybody", ""),
			"a token":                  nats.Token("secret"),
			"another cluster's":        nats.UserJWT(foreign.JWT, foreign.Sign),
			"one forged":               forge(func(*jwt.UserClaims) {}),
			"one forged as a bearer's": forge(func(c *jwt.UserClaims) { c.BearerToken = true }),
			"one of a made-up issuer":  forge(func(c *jwt.UserClaims) { c.IssuerAccount = accountKey }),
			"one without its seed":     nats.UserJWT(good.JWT, stranger.Sign),
			"one with another's seed":  nats.UserJWT(good.JWT, other.Sign),
			"one tampered with":        nats.UserJWT(func() (string, error) { return goodToken[:len(goodToken)-4] + "AAAA", nil }, good.Sign),
			"an nkey":                  nats.Nkey(strangerKey, stranger.Sign),
		} {
			nc, err := nats.Connect(url, trust, login)
			if err == nil {
				nc.Close()
				t.Errorf("member %d let %s in", i, name)
			} else if !strings.Contains(strings.ToLower(err.Error()), "authorization violation") {
				t.Errorf("member %d, %s: %v", i, name, err)
			}
		}
		if nc, err := nats.Connect(url, rig.As(good)...); err != nil {
			t.Errorf("member %d refuses a good one: %v", i, err)
		} else {
			nc.Close()
		}
	}
	over := make(chan error, 1)
	nc, err := nats.Connect(s.Bus(0).ClientURL(), append(rig.As(expiring), nats.NoReconnect(), nats.ClosedHandler(func(nc *nats.Conn) { over <- nc.LastError() }))...)
	if err != nil { // a busy machine
		t.Logf("it had expired by then: %v", err)
		return
	}
	defer nc.Close()
	select {
	case <-over:
	case <-time.After(rig.Patience):
		t.Error("who came in by a credential that has expired is still there")
	}
	if nc, err := nats.Connect(s.Bus(1).ClientURL(), rig.As(expiring)...); err == nil {
		nc.Close()
		t.Error("a credential that has expired is taken")
	}
}

// Members are given other members while clients are connected: those stay, and may do what they might.
func (s *rightsStage) reload(t *testing.T) {
	_, prober := rig.Mint(t, s.key, events.CredentialProber, "tokyo-1")
	mouth := rig.Speak(t, s.Bus(1).ClientURL(), prober)
	mouth.Say("SUB dmonitor.jobs.tokyo-1 1")
	before := s.Options(1).Nodes
	for _, nodes := range [][]string{append(slices.Clone(before), "127.0.0.1:1"), before} {
		if err := s.Bus(1).SetNodes(nodes); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"PUB dmonitor.results.n0.ssh.www.example.com 1\r\nx", "SUB > 2", "SUB dmonitor.jobs.n0 3"} {
			if errs, over := mouth.Say(line); len(errs) != 1 || over {
				t.Errorf("after a reload, %s: %q, hung up: %v", line, errs, over)
			}
		}
	}
	rig.Until(t, "its jobs arrive", func() bool {
		_ = s.Bus(2).Conn().Publish("dmonitor.jobs.tokyo-1", nil)
		mouth.Say()
		return slices.Contains(mouth.Heard, "dmonitor.jobs.tokyo-1")
	})
}

// forgets: an operator may not write, and has a member drop what a node said.
func (s *rightsStage) forgets(t *testing.T) {
	ctx := t.Context()
	if err := s.Bus(0).PutContribution(ctx, events.Contribution{Node: "gone"}); err != nil {
		t.Fatal(err)
	}
	file, _ := rig.Mint(t, s.key, events.CredentialOperator, "anna")
	b, err := bus.Open(ctx, bus.Options{URL: s.Bus(1).ClientURL(), Creds: file, Plain: true, Node: "anna", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	if err := b.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if f, err := b.Forget(ctx, "gone"); err != nil || f.Dropped == nil || f.Dropped.Node != "gone" {
		t.Errorf("forgot %+v, %v", f, err)
	}
	if _, err := b.Forget(ctx, "gone"); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("forgot it twice: %v", err)
	}
}

// A revocation that one node has in its directory disconnects its holder wherever it is, and counts for a member that
// starts without a majority. A newer credential of that name is good.
func (s *rightsStage) revoked(t *testing.T) {
	ctx := t.Context()
	_, bad := rig.Mint(t, s.key, events.CredentialProber, "lost")
	_, good := rig.Mint(t, s.key, events.CredentialProber, "kept")
	connect := func(i int, c *key.Creds) *nats.Conn {
		nc, err := nats.Connect(s.Bus(i).ClientURL(), append(rig.As(c), nats.NoReconnect())...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	var lost, kept []*nats.Conn
	for i := range s.Len() {
		lost, kept = append(lost, connect(i, bad)), append(kept, connect(i, good))
	}
	until := bad.Issued.Add(time.Second) // a credential's times are whole seconds
	err := s.Bus(0).PutContribution(ctx, events.Contribution{Node: "n0", Revoked: []events.Revocation{
		{Kind: events.CredentialProber, Name: "lost", Before: until, Because: "the host was stolen"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rig.Until(t, "it is disconnected everywhere", func() bool {
		return !slices.ContainsFunc(lost, func(nc *nats.Conn) bool { return !nc.IsClosed() })
	})
	refused := func(i int) bool {
		nc, err := nats.Connect(s.Bus(i).ClientURL(), rig.As(bad)...)
		if err == nil {
			nc.Close()
		}
		return err != nil && strings.Contains(strings.ToLower(err.Error()), "authorization violation")
	}
	for i := range s.Len() {
		if !refused(i) {
			t.Errorf("member %d lets it in again", i)
		}
		if kept[i].IsClosed() {
			t.Errorf("member %d disconnected somebody else", i)
		}
	}
	if !strings.Contains(s.Log(), "the host was stolen") {
		t.Error("nobody logged why")
	}
	rig.Until(t, "time for a newer one", func() bool { return time.Now().After(until.Add(time.Second)) })
	_, newer := rig.Mint(t, s.key, events.CredentialProber, "lost")
	connect(1, newer)

	for i := range s.Len() {
		s.Stop(i)
	}
	s.Open(2) // alone: it reads no configuration
	if !refused(2) {
		t.Error("a member without a majority has forgotten who is revoked")
	}
	connect(2, newer)
	s.Open(0)
	s.Open(1)
}

// hearing is somebody who hears everything that is said on the bus.
type hearing struct {
	mu   sync.Mutex
	seen []*nats.Msg
}

// listen has every right.
func listen(t *testing.T, nc *nats.Conn) *hearing {
	t.Helper()
	h := &hearing{}
	sub, err := nc.Subscribe(">", func(m *nats.Msg) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.seen = append(h.seen, m)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() }) // the member may have stopped
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return h
}

// all are the subjects of what it heard.
func (h *hearing) all() []string { return h.subjects(func([]byte) bool { return true }) }

// marked are the subjects of what it heard with this text.
func (h *hearing) marked(text string) []string {
	return h.subjects(func(data []byte) bool { return string(data) == text })
}

func (h *hearing) subjects(of func(data []byte) bool) (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.seen {
		if of(m.Data) {
			out = append(out, m.Subject)
		}
	}
	return out
}
