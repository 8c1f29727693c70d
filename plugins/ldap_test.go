package plugins

import (
	"net"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	directory "github.com/go-ldap/ldap/v3"
)

// ldapResultOf is an answer of this kind (an application tag) with a result code.
func ldapResultOf(id int64, kind ber.Tag, code int64, text string) []byte {
	m := ber.NewSequence("LDAPMessage")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "MessageID"))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, kind, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, "resultCode"))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "matchedDN"))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, text, "diagnosticMessage"))
	m.AppendChild(op)
	return m.Bytes()
}

// answersLDAP answers requests of a kind with a code and a text; one that isn't listed is answered with success.
func answersLDAP(codes map[ber.Tag]int64) func(net.Conn) {
	return func(c net.Conn) {
		for {
			m, err := ber.ReadPacket(c)
			if err != nil || len(m.Children) < 2 {
				return
			}
			id, _ := m.Children[0].Value.(int64)
			kind := map[ber.Tag]ber.Tag{
				directory.ApplicationBindRequest:     directory.ApplicationBindResponse,
				directory.ApplicationSearchRequest:   directory.ApplicationSearchResultDone,
				directory.ApplicationExtendedRequest: directory.ApplicationExtendedResponse,
			}[m.Children[1].Tag]
			if kind == 0 { // it takes leave
				return
			}
			if _, err := c.Write(ldapResultOf(id, kind, codes[m.Children[1].Tag], "\x1b[31m|code")); err != nil {
				return
			}
		}
	}
}

func TestLDAP(t *testing.T) {
	t.Parallel()
	strangers(t, "check_ldap", "LDAP", false)
	withLogin := []string{"--login-file", loginFile(t, "cn=watch:secret", 0o600)}
	const bind, search, extended = directory.ApplicationBindRequest, directory.ApplicationSearchRequest, directory.ApplicationExtendedRequest
	cases := []struct {
		rule  string
		codes map[ber.Tag]int64
		args  []string
		exit  int
		want  string
	}{
		{"who answers is up", nil, nil, exitOK, "ldap takes clients, in "},
		{"who wants a login is up", map[ber.Tag]int64{bind: 48, search: 1}, nil, exitFail, "ldap says Operations Error (1)"},
		{"for both", map[ber.Tag]int64{bind: 48, search: 50}, nil, exitOK, "refuses who has no login: Insufficient Access Rights (50)"},
		{"or for one", map[ber.Tag]int64{search: 53}, nil, exitOK, "refuses who has no login: Unwilling To Perform (53)"},
		{"who wants TLS is up", map[ber.Tag]int64{bind: 13, search: 13}, nil, exitOK, "Confidentiality Required (13)"},
		{"who is busy is not", map[ber.Tag]int64{bind: 51}, nil, exitFail, "ldap says Busy (51)"},
		{"nor who is unavailable", map[ber.Tag]int64{search: 52}, nil, exitFail, "ldap says Unavailable (52)"},
		{"a login", nil, withLogin, exitOK, `ldap lets "cn=watch" in`},
		{"a wrong one", map[ber.Tag]int64{bind: 49}, withLogin, exitUnknown, "refuses the login of this node: Invalid Credentials (49)"},
		{"unwilling to a login", map[ber.Tag]int64{bind: 53}, withLogin, exitFail, "ldap says Unwilling To Perform (53)"},
		{"nothing below the base", nil, []string{"-b", "dc=x"}, exitFail, `finds no "dc=x"`},
		{"no TLS", map[ber.Tag]int64{extended: 2}, []string{"--tls"}, exitFail, "has no TLS: it said"},
		{"what it says can't paint the terminal", map[ber.Tag]int64{bind: 80}, nil, exitFail, `\x1b[31m\x7ccode`},
		{"a filter without a base", nil, []string{"-f", "(a=b)"}, exitUnknown, "--base"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			exit, out := try(t, nil, "check_ldap", append([]string{"127.0.0.1", "-p", serve(t, answersLDAP(c.codes))}, c.args...)...)
			expect(t, exit, out, c.exit, c.want)
			if strings.Contains(out, "secret") {
				t.Errorf("the password is shown: %s", out)
			}
		})
	}
	t.Run("TLS without TLS", func(t *testing.T) {
		t.Parallel()
		exit, out := try(t, nil, "check_ldaps", "127.0.0.1", "-p", serve(t, says("220 hello\r\n")), "-t", "20")
		expect(t, exit, out, exitFail, "does not speak TLS")
	})
}

// What a directory says ends in an outcome, not in a panic.
func FuzzLDAP(f *testing.F) {
	f.Add(ldapResultOf(1, directory.ApplicationBindResponse, 0, ""))
	f.Add(append(ldapResultOf(1, directory.ApplicationBindResponse, 0, ""), ldapResultOf(2, directory.ApplicationSearchResultDone, 0, "")...))
	f.Add(ldapResultOf(1, directory.ApplicationBindResponse, 49, "no"))
	fuzzServer(f, "check_ldap")
}
