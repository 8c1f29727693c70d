package key

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Credential says who somebody is: what a credentials file proves to a member.
type Credential struct {
	Kind    events.CredentialKind
	Name    string    // as events.ValidateNode wants it
	User    string    // the public key that it was made for; no two are the same
	Issued  time.Time // whole seconds
	Expires time.Time // zero: never
	KeyID   string    // fingerprint of the cluster key it was made with
}

// Limits of what a stranger may hand in, in bytes. A credential of ours has some 600; the server reads lines of 4 KiB.
const (
	maxToken     = 4 << 10
	maxSignature = 256
	maxCreds     = 64 << 10
)

// Mint makes a credential with the key in use: the text of a file that any NATS client takes as its credentials, with
// the certificate of the clients' authority at the end, for which it takes the same file. A zero expires is never.
func (r *Ring) Mint(kind events.CredentialKind, name string, now, expires time.Time) (file []byte, c Credential, err error) {
	file, c, err = r.mint(kind, name, now, expires)
	if err != nil {
		return nil, Credential{}, fmt.Errorf("make a credential: %w", err)
	}
	return file, c, nil
}

func (r *Ring) mint(kind events.CredentialKind, name string, now, expires time.Time) ([]byte, Credential, error) {
	none := Credential{}
	k, err := r.inUse()
	if err != nil {
		return nil, none, err
	}
	if err := events.ValidateCredential(kind, name); err != nil {
		return nil, none, err
	}
	if !expires.IsZero() && !expires.After(now) {
		return nil, none, fmt.Errorf("it would expire at %s, which is past", expires.UTC().Format(time.RFC3339))
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, none, err
	}
	defer user.Wipe()
	public, err := user.PublicKey()
	if err != nil {
		return nil, none, err
	}
	seed, err := user.Seed()
	if err != nil {
		return nil, none, err
	}
	claims := jwt.NewUserClaims(public)
	claims.Name = string(kind) + "." + name
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	token, err := claims.Encode(k.account)
	if err != nil {
		return nil, none, err
	}
	c := credential(claims)
	return encodeCreds(c, token, seed, k.clients.cert), c, nil
}

// credential reads what claims say.
func credential(claims *jwt.UserClaims) Credential {
	kind, name, _ := strings.Cut(claims.Name, ".")
	c := Credential{
		Kind: events.CredentialKind(kind), Name: name, User: claims.Subject,
		Issued: time.Unix(claims.IssuedAt, 0).UTC(), KeyID: fingerprint(claims.Issuer),
	}
	if claims.Expires != 0 {
		c.Expires = time.Unix(claims.Expires, 0).UTC()
	}
	return c
}

// Why a credential is refused. They are for the log: who was refused learns only that.
var (
	ErrExpired = errors.New("the credential has expired")
	ErrIssuer  = errors.New("the credential was made with a cluster key that is not accepted here")
)

// Verify checks what a client presented when it connected: a token, and the signature of the nonce it was given, made
// with the key that the token was made for. It refuses tokens of other keys, expired ones, and those that need no
// signature. Who was revoked is not known here. With ErrExpired it returns whose credential it is all the same, since that is
// proved; with any other error nobody's.
func (r *Ring) Verify(token, signature string, nonce []byte, now time.Time) (Credential, error) {
	c, err := r.verify(token, signature, nonce, now)
	if err != nil {
		return c, fmt.Errorf("verify a credential: %w", err)
	}
	return c, nil
}

func (r *Ring) verify(token, signature string, nonce []byte, now time.Time) (Credential, error) {
	none := Credential{}
	switch {
	case token == "" || signature == "":
		return none, errors.New("none was presented")
	case len(token) > maxToken || len(signature) > maxSignature:
		return none, errors.New("it is too long")
	case len(nonce) == 0:
		return none, errors.New("there was no nonce to sign")
	}
	claims, err := jwt.DecodeUserClaims(token) // checks the signature of the issuer that it names
	if err != nil {
		return none, errors.New("it can't be read, or was tampered with")
	}
	if !r.issued(claims.Issuer) {
		return none, ErrIssuer
	}
	if claims.BearerToken || claims.IssuerAccount != "" {
		return none, errors.New("it is not of the form that dmonitor makes")
	}
	c := credential(claims)
	if err := events.ValidateCredential(c.Kind, c.Name); err != nil {
		return none, err
	}
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		if sig, err = base64.StdEncoding.DecodeString(signature); err != nil { // as some clients send it
			return none, errors.New("the signature is not base64")
		}
	}
	user, err := nkeys.FromPublicKey(c.User)
	if err != nil {
		return none, errors.New("it was made for something that is no user's key")
	}
	if err := user.Verify(nonce, sig); err != nil {
		return none, errors.New("the nonce was not signed by the key that it was made for")
	}
	if !c.Expires.IsZero() && !now.Before(c.Expires) {
		return c, ErrExpired
	}
	return c, nil
}

func (r *Ring) issued(issuer string) bool {
	if r != nil {
		for _, k := range r.keys {
			if k.issuer == issuer {
				return true
			}
		}
	}
	return false
}

// Creds is a credentials file that was read.
type Creds struct {
	Credential        // what the file says; only a member can tell whether it is so
	token      string // as presented
	seed       []byte
	roots      []*x509.Certificate
}

// OpenCreds reads a credentials file. The error wraps fs.ErrNotExist or fs.ErrPermission where it is one of those.
func OpenCreds(path string) (*Creds, error) {
	data, err := read(path, maxCreds, func(os.FileInfo) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("read the credentials: %w", err)
	}
	return ParseCreds(path, data)
}

// ParseCreds reads the text of a credentials file, as Mint returns it. Errors never repeat what stands there.
func ParseCreds(name string, data []byte) (*Creds, error) {
	c, err := parseCreds(data)
	if err != nil {
		return nil, fmt.Errorf("credentials %s: %w", name, err)
	}
	return c, nil
}

func parseCreds(data []byte) (*Creds, error) {
	if len(data) > maxCreds {
		return nil, fmt.Errorf("more than %d bytes", maxCreds)
	}
	token, err := jwt.ParseDecoratedJWT(data) // takes the whole text for the token if there are no blocks in it
	if err != nil || !bytes.Contains(data, []byte("NATS USER JWT")) {
		return nil, errors.New("there is no NATS user JWT in it")
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return nil, errors.New("its JWT can't be read, or was tampered with")
	}
	user, err := jwt.ParseDecoratedUserNKey(data)
	if err != nil {
		return nil, errors.New("there is no seed of a user in it")
	}
	if public, err := user.PublicKey(); err != nil || public != claims.Subject {
		return nil, errors.New("its seed is not the one that its JWT was made for")
	}
	c := &Creds{Credential: credential(claims), token: token}
	if c.seed, err = user.Seed(); err != nil {
		return nil, errors.New("there is no seed of a user in it")
	}
	if c.roots, err = parseRoots(data); err != nil {
		return nil, err
	}
	return c, nil
}

// parseRoots reads the certificates, of which there may be none.
func parseRoots(data []byte) (out []*x509.Certificate, err error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("its certificate can't be read")
		}
		out = append(out, cert)
	}
	return out, nil
}

// JWT is the token, for nats.UserJWT.
func (c *Creds) JWT() (string, error) { return c.token, nil }

// Sign signs a nonce, for nats.UserJWT.
func (c *Creds) Sign(nonce []byte) ([]byte, error) {
	user, err := nkeys.FromSeed(c.seed)
	if err != nil {
		return nil, errors.New("sign with the credentials: the seed can't be read")
	}
	defer user.Wipe()
	return user.Sign(nonce)
}

// TLS trusts the member whose certificate is under the authority that came with the credentials, whatever its name. It is
// nil if none came with them: then there is nothing to tell a member by.
func (c *Creds) TLS() *tls.Config {
	if len(c.roots) == 0 {
		return nil
	}
	roots := x509.NewCertPool()
	for _, cert := range c.roots {
		roots.AddCert(cert)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		VerifyConnection: func(cs tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, cert := range cs.PeerCertificates[1:] {
				o.Intermediates.AddCert(cert)
			}
			_, err := cs.PeerCertificates[0].Verify(o)
			if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
				return ErrOtherKey
			}
			return err
		},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies the chain; names prove nothing here
	}
}

// String is what credentials show of themselves wherever they are printed.
func (c Creds) String() string { return string(c.Kind) + "." + c.Name }

// GoString is String: "%#v" would print the seed.
func (c Creds) GoString() string { return "key.Creds(" + c.String() + ")" }

// encodeCreds writes the file. Before the beginnings of the blocks for NATS there is a space: all readers of such files pass
// over it, while for readers of certificates a block begins at the beginning of a line or not at all. OpenSSL would otherwise
// stop at the first block that isn't to its taste. So the same file is good for both.
func encodeCreds(c Credential, token string, seed []byte, ca *x509.Certificate) []byte {
	var b bytes.Buffer
	until := "does not expire"
	if !c.Expires.IsZero() {
		until = "expires " + c.Expires.Format(time.RFC3339)
	}
	fmt.Fprintf(&b, "dmonitor credentials: %s %s, %s\nWhoever has this file is who it says. Keep it to yourself.\n\n", c.Kind, c.Name, until)
	fmt.Fprintf(&b, " -----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n", token)
	fmt.Fprintf(&b, " -----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n\n", seed)
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}) // a buffer takes everything
	return b.Bytes()
}
