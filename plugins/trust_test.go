package plugins

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

// earlyExit is what a certificate that isn't valid yet comes to on this machine, whatever its clock is.
func earlyExit() int {
	if ownClock() == clockUnsynced {
		return exitUnknown
	}
	return exitFail
}

// By a clock that nobody keeps right, a certificate that isn't valid yet is no fault of the host's; one that has expired is,
// and so is one that is wrong in another way as well.
func TestUntimely(t *testing.T) {
	now := time.Now()
	begins := func(from, to time.Duration) *x509.Certificate {
		return &x509.Certificate{NotBefore: now.Add(from), NotAfter: now.Add(to)}
	}
	fresh, expired := begins(40*day, 130*day), begins(-100*day, -10*day)
	other := x509.HostnameError{Certificate: fresh, Host: "a.example"}
	cases := []struct {
		rule string
		cert *x509.Certificate
		name error // what else is wrong
		mine clockState
		own  bool
		want string
	}{
		{"not yet, by a clock that is right", fresh, nil, clockSynced, false, "is not valid for another 40 days"},
		{"not yet, by a clock nobody knows about", fresh, nil, clockUnknown, false, "is not valid for another 40 days"},
		{"not yet, by a clock nobody keeps right", fresh, nil, clockUnsynced, true, "its own clock is not synchronised, and by that the certificate of a.example is not valid for another 40 days"},
		{"and for another name", fresh, other, clockUnsynced, false, "is not for a.example"},
		{"no longer, by a clock that is right", expired, nil, clockSynced, false, "expired 10 days ago"},
		{"no longer, by a clock nobody keeps right", expired, nil, clockUnsynced, false, "expired 10 days ago"},
	}
	for _, c := range cases {
		if err := untimely(c.cert, "a.example", now, c.mine); c.name == nil && (isOwn(err) != c.own || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.rule, err)
		}
		f := findings{leaf: c.cert, last: c.cert, begins: c.cert.NotBefore, ends: c.cert.NotAfter, name: c.name}

		k := &certCheck{call: &call{start: now}, name: "a.example", port: 443}
		o := k.judge(f, now, c.mine)
		checkForm(t, o.exit, o.String())
		if (o.exit == exitUnknown) != c.own || !c.own && o.exit != exitFail || !strings.Contains(o.text, c.want) {
			t.Errorf("check_cert: %s: %d %s", c.rule, o.exit, o.text)
		}

		e := &tlsWish{name: "a.example", wrapped: true}
		if wrong, err := e.wrong(f, now, c.mine); isOwn(err) != c.own || !c.own && !strings.Contains(strings.Join(wrong, "; "), c.want) {
			t.Errorf("a mail server: %s: %q, %v", c.rule, wrong, err)
		}
		e = &tlsWish{name: "a.example"} // TLS is only offered: a bad certificate is a warning
		if wrong, err := e.wrong(f, now, c.mine); err != nil || !strings.Contains(strings.Join(wrong, "; "), c.want) {
			t.Errorf("a mail server that only offers TLS: %s: %q, %v", c.rule, wrong, err)
		}
	}
}
