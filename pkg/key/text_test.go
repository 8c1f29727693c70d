package key

import (
	"bytes"
	"encoding/base32"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secretOf is a key that a test knows.
func secretOf(b byte) []byte { return bytes.Repeat([]byte{b}, keySize) }

// ringOf has these keys, the first one in use.
func ringOf(t testing.TB, keys ...byte) *Ring {
	t.Helper()
	var lines []string
	for _, b := range keys {
		lines = append(lines, format(secretOf(b)))
	}
	r, err := Parse("cluster.key", []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A new key is one line, no two are the same, and what stands around the lines of a file doesn't matter.
func TestNew(t *testing.T) {
	t.Parallel()
	one, two := New(), New()
	if one == two || strings.ContainsAny(one, " \n#") || len(one) != len(prefix)+textSize {
		t.Fatalf("%q, %q", one, two)
	}
	for name, text := range map[string]string{
		"plain":         one + "\n" + two + "\n",
		"no newline":    one + "\n" + two,
		"comments":      "# the old one goes on Monday\n\n  " + one + "  # since March\n" + two + "# new\n",
		"from Windows":  one + "\r\n\r\n" + two + "\r\n",
		"in small type": strings.ToLower(one) + "\n" + strings.ToUpper(two) + "\n",
	} {
		r, err := Parse("cluster.key", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		first, _ := Parse("f", []byte(one))
		second, _ := Parse("f", []byte(two))
		if want := append(first.IDs(), second.IDs()...); !slices.Equal(r.IDs(), want) || r.String() != strings.Join(want, " ") {
			t.Errorf("%s: keys %v, want %v", name, r.IDs(), want)
		}
	}
}

// Everything that can be wrong with a key file, in the words that people see. Each has its line, and none the key.
func TestParseBadFiles(t *testing.T) {
	t.Parallel()
	good := format(secretOf(1))
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "cluster.key:1: no key in it"},
		{"comments only", "# a\n\n# b", "cluster.key:3: no key in it"},
		{"other text", "# a\nhello\n", `cluster.key:2: not a cluster key: want a line that starts with "dmonitor-key-1-", as keygen prints it`},
		{"other version", strings.Replace(good, "key-1", "key-2", 1), `cluster.key:1: not a cluster key: want a line that starts with "dmonitor-key-1-", as keygen prints it`},
		{"cut off", good + "\n" + good[:len(good)-1], `cluster.key:2: cut off or pasted twice: after "dmonitor-key-1-" a cluster key has 56 characters`},
		{"twice in a line", good + good[len(prefix):], `cluster.key:1: cut off or pasted twice: after "dmonitor-key-1-" a cluster key has 56 characters`},
		{"wrapped", good[:40] + "\n" + good[40:], `cluster.key:1: cut off or pasted twice: after "dmonitor-key-1-" a cluster key has 56 characters`},
		{"a digit for a letter", good[:len(good)-1] + "0", "cluster.key:1: a character that no cluster key has: after the prefix there are letters from A to Z and digits from 2 to 7 only"},
		{"two on a line", good + " " + good, "cluster.key:1: a character that no cluster key has: after the prefix there are letters from A to Z and digits from 2 to 7 only"},
		{"mistyped", swapped(good), "cluster.key:1: mistyped: the checksum of this cluster key is wrong"},
		{"twice", good + "\n\n" + strings.ToLower(good), "cluster.key:3: the same key as in line 1"},
		{"too many", manyKeys(MaxKeys + 1), "cluster.key:9: more than 8 keys"},
		{"huge", strings.Repeat("#", MaxFile+1), "cluster.key: 16385 bytes, at most 16384 are allowed in a key file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := Parse("cluster.key", []byte(c.text))
			if r != nil || err == nil || err.Error() != c.want {
				t.Errorf("error %v\nwant %s", err, c.want)
			}
		})
	}
}

// swapped is a key's text with two neighbours swapped.
func swapped(s string) string {
	b := []byte(s)
	for i := len(prefix); ; i++ {
		if b[i] != b[i+1] {
			b[i], b[i+1] = b[i+1], b[i]
			return string(b)
		}
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(format(secretOf(byte(i))) + "\n")
	}
	return b.String()
}

// One wrong character is always noticed, wherever it is, and so are two neighbours in the wrong order.
func TestTypos(t *testing.T) {
	t.Parallel()
	good := format([]byte("0123456789abcdefghijklmnopqrstuv"))
	for i := len(prefix); i < len(good); i++ {
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" {
			bad := good[:i] + string(c) + good[i+1:]
			if _, err := parseLine(bad); (err == nil) != (bad == good) {
				t.Fatalf("character %d as %c: %v", i, c, err)
			}
		}
		if i+1 < len(good) && good[i] != good[i+1] {
			bad := []byte(good)
			bad[i], bad[i+1] = bad[i+1], bad[i]
			if _, err := parseLine(string(bad)); err == nil {
				t.Fatalf("characters %d and %d swapped: not noticed", i, i+1)
			}
		}
	}
}

// FuzzParse: whatever a file holds, what is accepted are whole keys, and an error repeats nothing of it.
func FuzzParse(f *testing.F) {
	good := format(secretOf(7))
	f.Add([]byte(good))
	f.Add([]byte("# a\n" + good + " # b\n" + format(secretOf(8))))
	f.Add([]byte(swapped(good)))
	f.Add([]byte(good[:30] + "\n" + good[30:]))
	f.Add([]byte(prefix + "\x00" + strings.Repeat("=", textSize-1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse("f", data)
		if err == nil {
			if n := len(r.IDs()); n == 0 || n > MaxKeys || n > strings.Count(string(data), "\n")+1 {
				t.Errorf("%d keys", n)
			}
			return
		}
		if r != nil {
			t.Error("a ring beside the error")
		}
		known := strings.Join([]string{
			"f:", errPrefix.Error(), errLength.Error(), errAlphabet.Error(), errChecksum.Error(),
			"no key in it", "more than 8 keys", "the same key as in line ", "bytes, at most 16384 are allowed in a key file",
		}, "\n")
		words := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return '0' <= r && r <= '9' }), " ")
		for word := range strings.FieldsSeq(words) {
			if !strings.Contains(known, strings.Trim(word, ":")) {
				t.Errorf("the error %q has the word %q, which is from the file", err, word)
			}
		}
	})
}

var update = flag.Bool("update", false, "write the golden files anew: nodes of older versions won't know those of this one")

// A key's text is what it is for ever: whoever has one in a safe wants to use it in ten years.
func TestGolden(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "cluster.key"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse("cluster.key", data)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"routes.der": r.RouteCAs()[0].Raw, "clients.der": r.ClientCAs()[0].Raw, "issuer": []byte(r.keys[0].issuer + "\n"), "id": []byte(r.IDs()[0] + "\n")} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what it was (%v): nodes of different versions would not know each other", name, err)
		}
	}
	if secret, err := base32.StdEncoding.DecodeString(string(bytes.TrimSpace(data))[len(prefix):]); err != nil || !bytes.Equal(secret[:keySize], []byte("dmonitor: a key known to all....")) {
		t.Errorf("the key's text reads as %q, %v", secret, err)
	}
}
