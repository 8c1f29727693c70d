package key

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var nonce = []byte("a nonce of the server's")

// present has a member verify credentials.
func present(t testing.TB, member *Ring, c *Creds) (Credential, error) {
	t.Helper()
	token, _ := c.JWT()
	sig, err := c.Sign(nonce)
	if err != nil {
		t.Fatal(err)
	}
	return member.Verify(token, base64.RawURLEncoding.EncodeToString(sig), nonce, time.Now())
}

func mint(t testing.TB, r *Ring, kind events.CredentialKind, name string, expires time.Time) (*Creds, []byte) {
	t.Helper()
	file, c, err := r.Mint(kind, name, time.Now(), expires)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := ParseCreds("f.creds", file)
	if err != nil {
		t.Fatal(err)
	}
	if creds.Credential != c {
		t.Fatalf("the file says %+v, minted was %+v", creds.Credential, c)
	}
	return creds, file
}

// What is minted is what a member reads back, for every kind.
func TestMint(t *testing.T) {
	t.Parallel()
	r := ringOf(t, 3, 4)
	users := map[string]bool{}
	for _, kind := range events.CredentialKinds {
		for _, expires := range []time.Time{{}, time.Now().Add(90 * 24 * time.Hour)} {
			creds, _ := mint(t, r, kind, "tokyo-1", expires)
			c, err := present(t, r, creds)
			if err != nil {
				t.Fatal(err)
			}
			if c != creds.Credential || c.Kind != kind || c.Name != "tokyo-1" || c.KeyID != r.IDs()[0] || c.Expires.Unix() != expires.Unix() && !expires.IsZero() || c.Expires.IsZero() != expires.IsZero() {
				t.Errorf("verified %+v of %+v", c, creds.Credential)
			}
			if age := time.Since(c.Issued); age < 0 || age > time.Minute {
				t.Errorf("issued %v", c.Issued)
			}
			if users[c.User] {
				t.Error("the same user twice")
			}
			users[c.User] = true
			// Another process reads the file.
			path := filepath.Join(t.TempDir(), "f.creds")
			_, file := mint(t, r, kind, "tokyo-1", expires)
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			opened, err := OpenCreds(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := present(t, ringOf(t, 4, 3), opened); err != nil {
				t.Errorf("by a member that has the key second: %v", err)
			}
		}
	}
	for _, c := range []struct {
		kind    events.CredentialKind
		name    string
		expires time.Time
		want    string
	}{
		{"agent", "a", time.Time{}, `make a credential: kind of credential "agent": want one of node, prober, reader, operator`},
		{"prober", "a.b", time.Time{}, `make a credential: node name "a.b": '.' is not allowed; use lower-case letters, digits and -`},
		{"reader", "*", time.Time{}, `make a credential: reader's name "*": '*' is not allowed; use lower-case letters, digits and -`},
		{"operator", "", time.Time{}, `make a credential: operator's name is empty`},
		{"prober", "a", time.Unix(1e9, 0), `make a credential: it would expire at 2001-09-09T01:46:40Z, which is past`},
	} {
		if file, _, err := r.Mint(c.kind, c.name, time.Now(), c.expires); err == nil || err.Error() != c.want || file != nil {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
	if _, _, err := (*Ring)(nil).Mint("prober", "a", time.Now(), time.Time{}); !errors.Is(err, errNoKey) {
		t.Errorf("without a key: %v", err)
	}
}

// claimsOf makes a token as somebody might who has the account's key, or thinks so.
func claimsOf(t *testing.T, signer nkeys.KeyPair, user string, change func(*jwt.UserClaims)) string {
	t.Helper()
	claims := jwt.NewUserClaims(user)
	claims.Name = "prober.osaka-1"
	change(claims)
	token, err := claims.Encode(signer)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Everything that a stranger may try.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	r := ringOf(t, 1)
	account := r.keys[0].account
	user, _ := nkeys.CreateUser()
	public, _ := user.PublicKey()
	other, _ := nkeys.CreateUser()
	stranger, _ := nkeys.CreateAccount()
	sign := func(k nkeys.KeyPair, nonce []byte) string {
		sig, err := k.Sign(nonce)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(sig)
	}
	same := func(*jwt.UserClaims) {}
	good := claimsOf(t, account, public, same)
	if _, err := r.Verify(good, sign(user, nonce), nonce, time.Now()); err != nil {
		t.Fatal(err)
	}
	if sig, _ := user.Sign(nonce); true {
		if _, err := r.Verify(good, base64.StdEncoding.EncodeToString(sig), nonce, time.Now()); err != nil {
			t.Errorf("in the other base64: %v", err)
		}
	}
	expiry := time.Unix(2e9, 0)
	limited := claimsOf(t, account, public, func(c *jwt.UserClaims) { c.Expires = expiry.Unix() })
	if _, err := r.Verify(limited, sign(user, nonce), nonce, expiry.Add(-1)); err != nil {
		t.Errorf("just before it expires: %v", err)
	}
	parts := strings.Split(good, ".")
	accountClaims := jwt.NewAccountClaims(mustPublic(t, stranger))
	asAccount, err := accountClaims.Encode(mustOperator(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token, sig string
		nonce            []byte
		now              time.Time
		want             error // nil: any
	}{
		{"nothing", "", "", nonce, time.Time{}, nil},
		{"no signature", good, "", nonce, time.Time{}, nil},
		{"no nonce", good, sign(user, nonce), nil, time.Time{}, nil},
		{"another's signature", good, sign(other, nonce), nonce, time.Time{}, nil},
		{"the signature of another nonce", good, sign(user, []byte("yesterday's")), nonce, time.Time{}, nil},
		{"a signature that is none", good, "!!!", nonce, time.Time{}, nil},
		{"an empty signature in base64", good, "====", nonce, time.Time{}, nil},
		{"a long signature", good, strings.Repeat("A", maxSignature+1), nonce, time.Time{}, nil},
		{"a long token", good + strings.Repeat("A", maxToken), sign(user, nonce), nonce, time.Time{}, nil},
		{"no token at all", "hello", sign(user, nonce), nonce, time.Time{}, nil},
		{"a token with its signature cut off", parts[0] + "." + parts[1] + ".", sign(user, nonce), nonce, time.Time{}, nil},
		{"a token with another's signature", parts[0] + "." + parts[1] + "." + strings.Split(limited, ".")[2], sign(user, nonce), nonce, time.Time{}, nil},
		{"an unsigned token", unsigned(parts[1]), sign(user, nonce), nonce, time.Time{}, nil},
		{"a token of an account", asAccount, sign(user, nonce), nonce, time.Time{}, nil},
		{"of another account", claimsOf(t, stranger, public, same), sign(user, nonce), nonce, time.Time{}, ErrIssuer},
		{"of another cluster", claimsOf(t, ringOf(t, 2).keys[0].account, public, same), sign(user, nonce), nonce, time.Time{}, ErrIssuer},
		{"a bearer token", claimsOf(t, account, public, func(c *jwt.UserClaims) { c.BearerToken = true }), sign(user, nonce), nonce, time.Time{}, nil},
		{"in another account's name", claimsOf(t, account, public, func(c *jwt.UserClaims) { c.IssuerAccount = mustPublic(t, stranger) }), sign(user, nonce), nonce, time.Time{}, nil},
		{"expired this moment", limited, sign(user, nonce), nonce, expiry, ErrExpired},
		{"of no kind", claimsOf(t, account, public, func(c *jwt.UserClaims) { c.Name = "osaka-1" }), sign(user, nonce), nonce, time.Time{}, nil},
		{"of an unknown kind", claimsOf(t, account, public, func(c *jwt.UserClaims) { c.Name = "root.osaka-1" }), sign(user, nonce), nonce, time.Time{}, nil},
		{"whose name is a pattern", claimsOf(t, account, public, func(c *jwt.UserClaims) { c.Name = "prober.>" }), sign(user, nonce), nonce, time.Time{}, nil},
		{"whose name is two tokens", claimsOf(t, account, public, func(c *jwt.UserClaims) { c.Name = "prober.a.b" }), sign(user, nonce), nonce, time.Time{}, nil},
		{"without a name", claimsOf(t, account, public, func(c *jwt.UserClaims) { c.Name = "prober." }), sign(user, nonce), nonce, time.Time{}, nil},
	} {
		now := c.now
		if now.IsZero() {
			now = time.Now()
		}
		got, err := r.Verify(c.token, c.sig, c.nonce, now)
		named := got != (Credential{}) // for the log, and only who has proved it
		if err == nil || named != errors.Is(err, ErrExpired) || named && (got.Name != "osaka-1" || got.Kind != events.CredentialProber) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	if _, err := r.Verify(limited, sign(other, nonce), nonce, expiry); errors.Is(err, ErrExpired) {
		t.Error("who only has the token of one that has expired is told so, and taken for its holder")
	}
	if _, err := (*Ring)(nil).Verify(good, sign(user, nonce), nonce, time.Now()); !errors.Is(err, ErrIssuer) {
		t.Errorf("a member without a key: %v", err)
	}
}

func mustPublic(t *testing.T, k nkeys.KeyPair) string {
	t.Helper()
	s, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustOperator(t *testing.T) nkeys.KeyPair {
	t.Helper()
	k, err := nkeys.CreateOperator()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// unsigned is a token whose header says that it needs no signature.
func unsigned(claims string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`)) + "." + claims + "."
}

// The file is what other people's parsers take: those of NATS for the token and the seed, by a pattern or by looking for
// lines, and OpenSSL for the certificate, which stops at the first block that it can't read.
func TestCredsFile(t *testing.T) {
	t.Parallel()
	creds, file := mint(t, ringOf(t, 1), "prober", "osaka-1", time.Date(2999, 1, 2, 3, 4, 5, 0, time.UTC))
	text := string(file)
	if !strings.HasPrefix(text, "dmonitor credentials: prober osaka-1, expires 2999-01-02T03:04:05Z\n") {
		t.Errorf("it begins with\n%.200s", text)
	}
	if token, err := nkeys.ParseDecoratedJWT(file); err != nil || token != creds.token {
		t.Errorf("token %q, %v", token, err)
	}
	// The first two blocks of one line each, and nothing else: as the clients have it that don't look at what a block is called.
	blocks := regexp.MustCompile(`\s*(?:(?:[-]{3,}.*[-]{3,}\r?\n)([\w\-.=]+)(?:\r?\n[-]{3,}.*[-]{3,}\r?\n))`).FindAllStringSubmatch(text, -1)
	if len(blocks) != 2 || blocks[0][1] != creds.token || blocks[1][1] != string(creds.seed) {
		t.Errorf("blocks %q", blocks)
	}
	// As those have it that look for a line of exactly these words, whatever stands around it.
	lines := strings.Split(text, "\n")
	for i, want := range []string{"-----BEGIN NATS USER JWT-----", "-----BEGIN USER NKEY SEED-----"} {
		at := slices.IndexFunc(lines, func(line string) bool { return strings.TrimSpace(line) == want })
		if at < 0 || lines[at+1] != blocks[i][1] || !strings.HasPrefix(lines[at+2], "------END ") {
			t.Errorf("%q is in line %d of\n%s", want, at, text)
		}
	}
	if begins := regexp.MustCompile(`(?m)^-----BEGIN .*$`).FindAllString(text, -1); len(begins) != 1 || begins[0] != "-----BEGIN CERTIFICATE-----" {
		t.Errorf("for OpenSSL there are %q", begins)
	}
	// With the ends of lines of another system.
	if c, err := ParseCreds("f", bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n"))); err != nil || c.Credential != creds.Credential || c.TLS() == nil {
		t.Errorf("with CRLF: %v", err)
	}
}

// What may be wrong with a credentials file, in the words that people see.
func TestBadCreds(t *testing.T) {
	t.Parallel()
	_, file := mint(t, ringOf(t, 1), "prober", "osaka-1", time.Time{})
	_, other := mint(t, ringOf(t, 1), "prober", "osaka-1", time.Time{})
	text := string(file)
	const seed, cert = " -----BEGIN USER NKEY SEED", "-----BEGIN CERTIFICATE"
	token, _, _ := strings.Cut(text, seed)
	both, certificate, _ := strings.Cut(text, cert)
	_, others, _ := strings.Cut(string(other), seed)
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "credentials f.creds: there is no NATS user JWT in it"},
		{"something else", "hello\n", "credentials f.creds: there is no NATS user JWT in it"},
		{"a cluster key", New() + "\n", "credentials f.creds: there is no NATS user JWT in it"},
		{"tampered", strings.Replace(text, ".eyJ", ".eyK", 1), "credentials f.creds: its JWT can't be read, or was tampered with"},
		{"without the seed", token + cert + certificate, "credentials f.creds: there is no seed of a user in it"},
		{"with another's seed", token + seed + others, "credentials f.creds: its seed is not the one that its JWT was made for"},
		{"with a bad certificate", both + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "credentials f.creds: its certificate can't be read"},
		{"huge", text + strings.Repeat(" ", maxCreds), "credentials f.creds: more than 65536 bytes"},
	} {
		got, err := ParseCreds("f.creds", []byte(c.text))
		if got != nil || err == nil || err.Error() != c.want {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
	}
	// Without the certificate it is still a credential, of a cluster without TLS say.
	if c, err := ParseCreds("f.creds", []byte(both)); err != nil || c.TLS() != nil {
		t.Errorf("without a certificate: %v", err)
	}
	dir := t.TempDir()
	if _, err := OpenCreds(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := OpenCreds(dir); err == nil {
		t.Error("a directory was read")
	}
}

// FuzzVerify: whatever a stranger presents, what is accepted was signed by us.
func FuzzVerify(f *testing.F) {
	r := ringOf(f, 1)
	creds, _ := mint(f, r, "prober", "osaka-1", time.Time{})
	sig, err := creds.Sign(nonce)
	if err != nil {
		f.Fatal(err)
	}
	signature := base64.RawURLEncoding.EncodeToString(sig)
	f.Add(creds.token, signature)
	f.Add(unsigned(strings.Split(creds.token, ".")[1]), signature)
	f.Add("..", "====")
	f.Add("eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.bnVsbA.bnVsbA", signature)
	f.Fuzz(func(t *testing.T, token, sig string) {
		c, err := r.Verify(token, sig, nonce, time.Now())
		if err != nil {
			if c != (Credential{}) || !strings.HasPrefix(err.Error(), "verify a credential: ") {
				t.Errorf("%+v, %v", c, err)
			}
			return
		}
		if c.Kind != "prober" || c.Name != "osaka-1" || c.KeyID != r.IDs()[0] { // that is all that was ever minted, if with another user in each worker
			t.Errorf("%q was accepted as %+v", token, c)
		}
	})
}

func BenchmarkParseCreds(b *testing.B) {
	_, file := mint(b, ringOf(b, 1), "prober", "osaka-1", time.Time{})
	for b.Loop() {
		if _, err := ParseCreds("f", file); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzParseCreds: whatever a file holds, what is accepted can sign for what it says.
func FuzzParseCreds(f *testing.F) {
	r := ringOf(f, 1)
	_, file := mint(f, r, "prober", "osaka-1", time.Time{})
	f.Add(file)
	f.Add(bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")))
	f.Add(bytes.ReplaceAll(file, []byte(" -----"), []byte("---")))
	f.Add(append(bytes.Clone(file), file...))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCreds("f", data)
		if err != nil {
			if c != nil || strings.Contains(err.Error(), "SU") {
				t.Errorf("%v, %v", c, err)
			}
			return
		}
		sig, err := c.Sign(nonce)
		if err != nil {
			t.Fatal(err)
		}
		user, err := nkeys.FromPublicKey(c.User)
		if err != nil || user.Verify(nonce, sig) != nil {
			t.Errorf("accepted, but does not sign for %q: %v", c.User, err)
		}
		c.TLS()
	})
}
