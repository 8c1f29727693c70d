package mailer

import (
	"strings"
	"testing"
)

// TestVerdict: only what a server says of this recipient or this mail is final.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		step step
		code int
		text string
		want verdict
	}{
		{stepConnect, 0, "connection refused", again},
		{stepGreeting, 421, "4.3.2 shutting down", again},
		{stepGreeting, 554, "5.7.1 no service for you", misconfigured},
		{stepHello, 550, "bad name", misconfigured},
		{stepTLS, 454, "4.7.0 not now", again},
		{stepLogin, 454, "4.7.0 not now", again},
		{stepLogin, 535, "5.7.8 wrong password", misconfigured},
		{stepLogin, 534, "5.7.9 too weak", misconfigured},
		{stepFrom, 451, "later", again},
		{stepFrom, 530, "5.7.0 log in first", misconfigured},
		{stepFrom, 550, "5.7.1 not your address", misconfigured},
		{stepFrom, 553, "5.1.8 no such domain", misconfigured},
		{stepTo, 450, "4.2.0 greylisted", again},
		{stepTo, 452, "4.2.2 full", again},
		{stepTo, 421, "too many", again},
		{stepTo, 550, "5.1.1 no such user", refused},
		{stepTo, 550, "no such user", refused},
		{stepTo, 552, "5.2.2 full", refused},
		{stepTo, 556, "5.1.10 null MX", refused},
		{stepTo, 501, "5.1.3 bad address", refused},
		{stepTo, 501, "syntax", misconfigured},
		{stepTo, 503, "5.5.1 MAIL first", misconfigured},
		{stepTo, 502, "5.7.0 Please authenticate first", misconfigured},
		{stepTo, 530, "log in first", misconfigured},
		{stepTo, 554, "5.7.1 relay access denied", misconfigured},
		{stepTo, 550, "5.7.54 unable to relay", misconfigured},
		{stepTo, 550, "5.1.8 <dmonitor@mon1>: Sender address rejected: Domain not found", misconfigured},
		{stepTo, 553, "5.1.7 bad sender", misconfigured},
		{stepTo, 550, "5.1.1 <sender@example.com>: no such user", refused},
		{stepTo, 550, "5.4.1 Recipient address rejected: Access denied", refused},
		{stepTo, 550, "relay not permitted", misconfigured},
		{stepTo, 550, "Relaying denied", misconfigured},
		{stepTo, 550, "Verification failed for <dmonitor@mon1> Unrouteable address Sender verify failed", misconfigured},
		{stepTo, 550, "Administrative prohibition", misconfigured},
		{stepTo, 550, "Authentication required", misconfigured},
		{stepTo, 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", misconfigured},
		{stepTo, 550, "sorry, no mailbox here by that name (#5.1.1)", refused},
		{stepTo, 550, "Unknown user", refused},
		{stepTo, 550, "Unrouteable address", refused},
		{stepData, 554, "no valid recipients", refused},
		{stepData, 503, "not now", misconfigured},
		{stepEnd, 451, "4.3.0 disk", again},
		{stepEnd, 552, "5.3.4 too big", refused},
		{stepEnd, 554, "5.7.1 spam", refused},
		{stepEnd, 0, "EOF", again},
		{stepEnd, 354, "what?", again},
	} {
		f := &failure{step: c.step, code: c.code, text: c.text}
		if got := f.verdict(); got != c.want {
			t.Errorf("%v: %v, want %v", f, got, c.want)
		}
	}
}

// TestVerdictOfLocalFailures: without an answer it is the failure itself that knows.
func TestVerdictOfLocalFailures(t *testing.T) {
	for v := range verdicts {
		f := &failure{step: stepTLS, self: verdict(v)}
		if f.verdict() != verdict(v) {
			t.Errorf("%v became %v", verdict(v), f.verdict())
		}
	}
}

func TestHider(t *testing.T) {
	const user, password = "ops", "s3cret"
	hide := hider(user, password)
	for _, s := range []string{
		"535 s3cret is wrong", "535 " + b64("\x00ops\x00s3cret"), "535 " + b64(password), "s3crets3cret",
	} {
		got := hide(s)
		if strings.Contains(got, password) || strings.Contains(got, b64(password)) || !strings.Contains(got, "[hidden]") {
			t.Errorf("%q became %q", s, got)
		}
	}
	if got := hider("", "")("nothing to hide"); got != "nothing to hide" {
		t.Errorf("got %q", got)
	}
}
