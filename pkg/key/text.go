package key

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// The text of a key: the prefix, and in base32 (RFC 4648) 32 random bytes and three bytes of checksum. 35 bytes are 56
// characters exactly, so there are no spare bits that could differ between two writings of the same key.
const (
	prefix   = "dmonitor-key-1-"
	keySize  = 32
	sumSize  = 3
	textSize = (keySize + sumSize) * 8 / 5
)

// Limits of a key file. A change of keys takes two lines.
const (
	MaxKeys = 8        // accepted keys
	MaxFile = 16 << 10 // bytes
)

// New returns a new key as one line of text, without a newline: 32 bytes of the system's randomness.
func New() string {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails: it ends the program rather than return less
	return format(secret)
}

func format(secret []byte) string {
	return prefix + base32.StdEncoding.EncodeToString(append(bytes.Clone(secret), checksum(secret)...))
}

// checksum tells a mistyped key from another one: one in 16 million slips through.
func checksum(secret []byte) []byte {
	sum := sha256.Sum256(append([]byte("dmonitor key checksum\x00"), secret...))
	return sum[:sumSize]
}

// Parse reads the text of a key file: a key a line, comments after '#', empty lines. The first key is the one in use, and
// all of them are accepted. Errors name file and line, and never repeat what stands there.
func Parse(name string, data []byte) (*Ring, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%s: %d bytes, at most %d are allowed in a key file", name, len(data), MaxFile)
	}
	r := &Ring{}
	lines := map[string]int{} // by fingerprint
	n := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		n++
		text, _, _ := strings.Cut(line, "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		secret, err := parseLine(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if len(r.keys) == MaxKeys {
			return nil, fmt.Errorf("%s:%d: more than %d keys", name, n, MaxKeys)
		}
		k, err := derive(secret)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if first, twice := lines[k.id]; twice {
			return nil, fmt.Errorf("%s:%d: the same key as in line %d", name, n, first)
		}
		lines[k.id] = n
		r.keys = append(r.keys, k)
	}
	if len(r.keys) == 0 {
		return nil, fmt.Errorf("%s:%d: no key in it", name, n)
	}
	return r, nil
}

// The ways in which a line is no key. None of them quotes it.
var (
	errPrefix   = fmt.Errorf("not a cluster key: want a line that starts with %q, as keygen prints it", prefix)
	errLength   = fmt.Errorf("cut off or pasted twice: after %q a cluster key has %d characters", prefix, textSize)
	errAlphabet = errors.New("a character that no cluster key has: after the prefix there are letters from A to Z and digits from 2 to 7 only")
	errChecksum = errors.New("mistyped: the checksum of this cluster key is wrong")
)

func parseLine(s string) ([]byte, error) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return nil, errPrefix
	}
	s = strings.ToUpper(s[len(prefix):])
	if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return nil, errAlphabet
	}
	if len(s) != textSize {
		return nil, errLength
	}
	raw, err := base32.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errAlphabet
	}
	if secret := raw[:keySize]; bytes.Equal(raw[keySize:], checksum(secret)) {
		return secret, nil
	}
	return nil, errChecksum
}
