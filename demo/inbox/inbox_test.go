package inbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen, on a machine however busy.
const patience = 30 * time.Second

// start runs an inbox until the test ends.
func start(t *testing.T, o Options) *Inbox {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return b
}

// send hands a mail to the inbox as any mail program does.
func send(t *testing.T, b *Inbox, to, text string) {
	t.Helper()
	raw := strings.ReplaceAll(text, "\n", "\r\n")
	if err := smtp.SendMail(b.SMTPAddr(), nil, "dmonitor@node-1.example", []string{to}, []byte(raw)); err != nil {
		t.Fatal(err)
	}
}

// answer is what the inbox says to a browser.
type answer struct {
	status int
	header http.Header
	body   string
}

// get fetches a page of the inbox.
func get(t *testing.T, b *Inbox, path string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.HTTPAddr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

const (
	opened = "Subject: DOWN ssh on www.example.com (2 of 3 nodes)\nMessage-ID: <o1@dmonitor>\nDate: Mon, 2 Mar 2026 10:00:00 +0000\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nnode-1  fail  connection refused =E2=80=93 twice\n"
	closed = "Subject: UP ssh on www.example.com\nMessage-ID: <c1@dmonitor>\nIn-Reply-To: <o1@dmonitor>\nReferences: <o1@dmonitor>\n\nup again\n"
	other  = "Subject: DOWN http on other.example\nMessage-ID: <o2@dmonitor>\n\nsomething else\n"
)

// A mail answered with 250 is in Mails, on the page, at /api/mails and at /raw at once.
func TestMailIsSeenEverywhere(t *testing.T) {
	b := start(t, Options{})
	send(t, b, "ops@example.com", opened)
	mails := b.Mails()
	if len(mails) != 1 || mails[0].ID != 1 || mails[0].Subject != "DOWN ssh on www.example.com (2 of 3 nodes)" ||
		mails[0].From != "dmonitor@node-1.example" || mails[0].To[0] != "ops@example.com" ||
		mails[0].MessageID != "o1@dmonitor" || mails[0].Text() != "node-1  fail  connection refused – twice\r\n" {
		t.Fatalf("mails: %+v", mails)
	}
	body := get(t, b, "/").body
	for _, want := range []string{"DOWN ssh on www.example.com (2 of 3 nodes)", "connection refused – twice", "to ops@example.com", `class="mail down"`, "1 mail so far"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	list := get(t, b, "/api/mails")
	var got []Mail
	if err := json.Unmarshal([]byte(list.body), &got); err != nil || list.header.Get("Content-Type") != "application/json" {
		t.Fatalf("/api/mails: %v\n%s", err, list.body)
	}
	if len(got) != 1 || got[0].Header("date") != "Mon, 2 Mar 2026 10:00:00 +0000" || got[0].Parts[0].Type != "text/plain" || !strings.Contains(got[0].Parts[0].Text, "– twice") {
		t.Errorf("/api/mails: %+v", got)
	}
	raw := get(t, b, "/raw/1")
	if raw.header.Get("Content-Type") != "text/plain; charset=utf-8" || raw.body != strings.ReplaceAll(opened, "\n", "\r\n") {
		t.Errorf("/raw/1: %q", raw.body)
	}
	for _, gone := range []string{"/raw/2", "/raw/x", "/raw/-1"} {
		if got := get(t, b, gone); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", gone, got.status)
		}
	}
}

// The closing mail stands with the opening one, and the newest thread comes first.
func TestThreads(t *testing.T) {
	b := start(t, Options{})
	send(t, b, "ops@example.com", opened)
	send(t, b, "ops@example.com", other)
	send(t, b, "ops@example.com", closed)
	body := get(t, b, "/").body
	first, second, third := strings.Index(body, "DOWN ssh"), strings.Index(body, "UP ssh"), strings.Index(body, "DOWN http")
	if !(0 < first && first < second && second < third) {
		t.Errorf("order on the page: DOWN ssh at %d, UP ssh at %d, DOWN http at %d", first, second, third)
	}
	if n := strings.Count(body, `class="thread"`); n != 2 {
		t.Errorf("%d threads, want 2", n)
	}
}

// The same notice twice to the same recipient is shown as what it is; to two recipients it is not a double.
func TestDouble(t *testing.T) {
	b := start(t, Options{})
	send(t, b, "a@example.com", opened)
	send(t, b, "b@example.com", opened)
	send(t, b, "a@example.com", opened)
	var doubles []int64
	for _, m := range b.Mails() {
		doubles = append(doubles, m.Double)
	}
	if fmt.Sprint(doubles) != "[0 0 1]" {
		t.Errorf("doubles of %v, want [0 0 1]", doubles)
	}
	if body := get(t, b, "/").body; strings.Count(body, "the same Message-ID as") != 1 {
		t.Error("the page does not tell of the double")
	}
}

func TestEmptyPage(t *testing.T) {
	b := start(t, Options{})
	page := get(t, b, "/")
	if !strings.Contains(page.body, "No mail yet. The demo host goes down") || !strings.Contains(page.body, `http-equiv="refresh"`) {
		t.Errorf("empty page:\n%s", page.body)
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("content security policy %q", csp)
	}
	if body := get(t, b, "/api/mails").body; strings.TrimSpace(body) != "[]" {
		t.Errorf("/api/mails: %q, want []", body)
	}
	for path, kind := range map[string]string{"/style.css": "text/css; charset=utf-8", "/live.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml"} {
		if got := get(t, b, path); got.status != http.StatusOK || got.header.Get("Content-Type") != kind {
			t.Errorf("%s: %d, %s", path, got.status, got.header.Get("Content-Type"))
		}
	}
}

// Whatever a mail says, it is text on the page.
func TestHostileMail(t *testing.T) {
	b := start(t, Options{})
	const evil = `<script>alert(1)</script><img src=x onerror=alert(1)>"'&{{.}}`
	send(t, b, "ops@example.com", "Subject: "+evil+"\nX-Evil: "+evil+"\nContent-Type: text/html\nMessage-ID: <"+evil+">\n\n"+evil+"\n")
	body := get(t, b, "/").body
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img") {
		t.Errorf("markup of a mail is on the page:\n%s", body)
	}
	if strings.Count(body, "&lt;script&gt;") < 3 {
		t.Error("subject, header and text should be there, escaped")
	}
	h := get(t, b, "/raw/1").header
	if h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		t.Errorf("raw mail could be taken for a page: %v", h)
	}
}

// Only the last mails are kept, in number and in bytes; one that is too large is refused.
func TestLimits(t *testing.T) {
	b := start(t, Options{MaxMails: 3, MaxMailBytes: 2000})
	for i := range 5 {
		send(t, b, "ops@example.com", fmt.Sprintf("Subject: mail %d\n\nx\n", i+1))
	}
	mails := b.Mails()
	if len(mails) != 3 || mails[0].Subject != "mail 3" || mails[2].ID != 5 {
		t.Errorf("kept %+v", mails)
	}
	if body := get(t, b, "/").body; !strings.Contains(body, "5 mails so far, the last 3 are kept") {
		t.Error("the page does not say that mails were forgotten")
	}
	err := smtp.SendMail(b.SMTPAddr(), nil, "a@b.example", []string{"c@d.example"}, []byte(strings.Repeat("x\r\n", 2000)))
	if err == nil || !strings.HasPrefix(err.Error(), "552") {
		t.Errorf("a mail too large: %v, want 552", err)
	}
	s := newStore(100, 1000)
	for range 20 {
		s.add("", nil, make([]byte, 300), time.Time{})
	}
	if mails, _, _ := s.all(); len(mails) != 3 || s.bytes != 900 {
		t.Errorf("%d mails of %d bytes are kept, want 3 of 900", len(mails), s.bytes)
	}
}

func TestWait(t *testing.T) {
	b := start(t, Options{MaxMails: 1})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := make(chan error, 1)
	go func() {
		mails, err := b.Wait(ctx, 2)
		if err == nil && len(mails) != 1 {
			err = fmt.Errorf("%d mails, want the one that is kept", len(mails))
		}
		got <- err
	}()
	send(t, b, "ops@example.com", opened)
	send(t, b, "ops@example.com", closed)
	if err := <-got; err != nil {
		t.Error(err)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if _, err := b.Wait(over, 3); err == nil || !strings.Contains(err.Error(), "wait for 3 mails, 2 have come") {
		t.Errorf("Wait: %v", err)
	}
}

// The page learns of a mail at once.
func TestLive(t *testing.T) {
	b := start(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), liveBeat*2/3) // less than the beat, which would hide a stream that is not told
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.HTTPAddr()+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if s, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return s
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	if got := next(); got != "0" {
		t.Errorf("first %q, want 0", got)
	}
	send(t, b, "ops@example.com", opened)
	if got := next(); got != "1" {
		t.Errorf("then %q, want 1", got)
	}
}

// Run ends although a browser listens and a mail client idles, and gives both ports back.
func TestRunEnds(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	idle, err := net.Dial("tcp", b.SMTPAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if _, err := bufio.NewReader(idle).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + b.HTTPAddr() + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Run goes on")
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Errorf("the live stream did not end but broke: %v", err)
	}
	for _, addr := range []string{b.SMTPAddr(), b.HTTPAddr()} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Errorf("the port was not given back: %v", err)
			continue
		}
		l.Close()
	}
	if _, err := New(Options{SMTPListen: "nonsense"}); err == nil || !strings.Contains(err.Error(), "listen for mail") {
		t.Errorf("New: %v", err)
	}
}
