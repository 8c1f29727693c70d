package events_test

import (
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

type refusal struct{ name, want string }

func refuses(t *testing.T, validate func(string) error, all []refusal) {
	t.Helper()
	for _, c := range all {
		if err := validate(c.name); err == nil || err.Error() != c.want {
			t.Errorf("%.40q: error %v\nwant %s", c.name, err, c.want)
		}
	}
}

func accepts(t *testing.T, validate func(string) error, all ...string) {
	t.Helper()
	for _, s := range all {
		if err := validate(s); err != nil {
			t.Error(err)
		}
	}
}

// A host's name goes into subjects, paths and argument lists: whatever could end or leave one is refused.
func TestValidateHost(t *testing.T) {
	long := strings.Repeat("a", 254)
	const use = "is not allowed; use letters, digits and . - : _"
	const label = "empty label (a dot at the start, at the end, or two in a row)"
	refuses(t, events.ValidateHost, []refusal{
		{"", `host name is empty`},
		{".", `host name ".": ` + label},
		{"..", `host name "..": ` + label},
		{"...", `host name "...": ` + label},
		{".a", `host name ".a": ` + label},
		{"a.", `host name "a.": ` + label},
		{"a..b", `host name "a..b": ` + label},
		{"-a", `host name "-a": must not start with '-'`},
		{"--help", `host name "--help": must not start with '-'`},
		{"a/b", `host name "a/b": '/' ` + use},
		{"../etc", `host name "../etc": '/' ` + use},
		{`a\b`, `host name "a\\b": '\\' ` + use},
		{"a b", `host name "a b": ' ' ` + use},
		{"a\nb", `host name "a\nb": '\n' ` + use},
		{"a\x00", `host name "a\x00": '\x00' ` + use},
		{"*", `host name "*": '*' ` + use},
		{">", `host name ">": '>' ` + use},
		{"a.*.b", `host name "a.*.b": '*' ` + use},
		{"a.>", `host name "a.>": '>' ` + use},
		{"$SYS", `host name "$SYS": '$' ` + use},
		{"a@b", `host name "a@b": '@' ` + use},
		{"%2e%2e", `host name "%2e%2e": '%' ` + use},
		{"münchen.example", `host name "münchen.example": 'ü' ` + use},
		{"\u202ea", "host name \"\\u202ea\": '\\u202e' " + use},
		{"ａ", `host name "ａ": 'ａ' ` + use},
		{"a\xff", `host name "a\xff": '�' ` + use},
		{long, `host name "` + long[:80] + `…": 254 bytes, at most 253 are allowed`},
	})
	accepts(t, events.ValidateHost, "a", "A", "WWW.example.com", "192.0.2.1", "2001:db8::1", "::1", "_dmarc.example.com", "a-", "a.-b",
		"host:8080", long[1:])
}

// A test's name becomes the plugin's file name and one token of a subject.
func TestValidateTest(t *testing.T) {
	long := strings.Repeat("a", 64)
	const use = "is not allowed; use lower-case letters, digits and - _"
	refuses(t, events.ValidateTest, []refusal{
		{"", `test name is empty`},
		{"-x", `test name "-x": must start with a lower-case letter or a digit`},
		{"_x", `test name "_x": must start with a lower-case letter or a digit`},
		{"SSH", `test name "SSH": 'S' ` + use},
		{"a.b", `test name "a.b": '.' ` + use},
		{"..", `test name "..": '.' ` + use},
		{"a/b", `test name "a/b": '/' ` + use},
		{"*", `test name "*": '*' ` + use},
		{"ssh~", `test name "ssh~": '~' ` + use},
		{"é", `test name "é": 'é' ` + use},
		{long, `test name "` + long + `": 64 bytes, at most 63 are allowed`},
	})
	refuses(t, events.ValidatePlugin, []refusal{{"a b", `plugin name "a b": ' ' ` + use}})
	accepts(t, events.ValidateTest, "ssh", "0", "a_b-c", long[1:])
}

// A node's name is one token of a subject and a key in a bucket; a site's follows the same rule.
func TestValidateNode(t *testing.T) {
	long := strings.Repeat("a", 64)
	const use = "is not allowed; use lower-case letters, digits and -"
	for what, validate := range map[string]func(string) error{"node": events.ValidateNode, "site": events.ValidateSite} {
		refuses(t, validate, []refusal{
			{"", what + ` name is empty`},
			{"-", what + ` name "-": must start with a lower-case letter or a digit`},
			{"--config", what + ` name "--config": must start with a lower-case letter or a digit`},
			{"a.b", what + ` name "a.b": '.' ` + use},
			{"a_b", what + ` name "a_b": '_' ` + use},
			{"_a", what + ` name "_a": '_' ` + use},
			{"Tokyo", what + ` name "Tokyo": 'T' ` + use},
			{"a/b", what + ` name "a/b": '/' ` + use},
			{">", what + ` name ">": '>' ` + use},
			{long, what + ` name "` + long + `": 64 bytes, at most 63 are allowed`},
		})
		accepts(t, validate, "a", "tokyo-1", "0", "a-", long[1:])
	}
}

// A recipient's address goes into an SMTP command and is a file's name.
func TestValidateRecipient(t *testing.T) {
	long := strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 95) + "com"
	want := func(quoted string) string {
		return "recipient " + quoted + ": want a bare address, such as ops@example.com"
	}
	refuses(t, events.ValidateRecipient, []refusal{
		{"", want(`""`)},
		{"ops", want(`"ops"`)},
		{"@example.com", want(`"@example.com"`)},
		{"ops@", want(`"ops@"`)},
		{"Ops <ops@example.com>", want(`"Ops <ops@example.com>"`)},
		{"<ops@example.com>", want(`"<ops@example.com>"`)},
		{"a@example.com,b@example.com", want(`"a@example.com,b@example.com"`)},
		{"a@example.com\r\nBcc:x@y", want(`"a@example.com\r\nBcc:x@y"`)},
		{"../a@example.com", want(`"../a@example.com"`)},
		{`a\b@example.com`, want(`"a\\b@example.com"`)},
		{`"a b"@example.com`, want(`"\"a b\"@example.com"`)},
		{"a@example.com ", want(`"a@example.com "`)},
		{"a\u00a0b@example.com", want(`"a\u00a0b@example.com"`)},
		{"a\u202eb@example.com", want(`"a\u202eb@example.com"`)},
		{"a@b@c", want(`"a@b@c"`)},
		{".a@example.com", want(`".a@example.com"`)},
		{"a@example..com", want(`"a@example..com"`)},
		{"a\xff@example.com", want(`"a\xff@example.com"`)},
		{long, `recipient "` + long[:80] + `…": 258 bytes, at most 254 are allowed`},
	})
	accepts(t, events.ValidateRecipient, "ops@example.com", "Foo.Bar+dmonitor@Example.COM", "root@localhost", "o'hara@example.com",
		"müller@example.com", "a@[192.0.2.1]")
}

// ParseCheck reads what String writes, and nothing else.
func TestParseCheck(t *testing.T) {
	if c, err := events.ParseCheck(ssh.String()); err != nil || c != ssh {
		t.Errorf("%v, %v", c, err)
	}
	parse := func(s string) error {
		c, err := events.ParseCheck(s)
		if err != nil && c != (events.Check{}) {
			t.Errorf("%q: %+v beside the error", s, c)
		}
		return err
	}
	refuses(t, parse, []refusal{
		{"", `check "": want HOST/TEST, such as www.example.com/ssh`},
		{"www.example.com", `check "www.example.com": want HOST/TEST, such as www.example.com/ssh`},
		{"/ssh", `host name is empty`},
		{"a/", `test name is empty`},
		{"a/b/c", `test name "b/c": '/' is not allowed; use lower-case letters, digits and - _`},
		{"../ssh", `host name "..": empty label (a dot at the start, at the end, or two in a row)`},
	})
}

// What is quoted in an error is cut between two characters.
func TestLongNamesInErrors(t *testing.T) {
	err := events.ValidateHost(strings.Repeat("ü", 200))
	if err == nil || strings.Contains(err.Error(), `\x`) || len(err.Error()) > 200 {
		t.Errorf("%v", err)
	}
	err = events.ValidateHost("a" + strings.Repeat("ü", 200))
	if err == nil || strings.Contains(err.Error(), `\x`) {
		t.Errorf("%v", err)
	}
}
