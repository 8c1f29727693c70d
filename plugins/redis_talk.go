package plugins

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Limits of one reply. INFO, the longest one asked for, has about 6 KiB.
const (
	maxRedisLine = 4 << 10
	maxRedisBulk = 256 << 10
)

var errNotRedis = errors.New("not Redis")

// redisError is an error as the server tells it. Its first word says which.
type redisError string

// Error implements error.
func (e redisError) Error() string { return sentence(string(e)) }

// is tells whether it is one of these.
func (e redisError) is(words ...string) bool {
	first, _, _ := strings.Cut(string(e), " ")
	return slices.Contains(words, first)
}

// redisTalk is a connection to a Redis server. The few kinds of replies that are needed are read here because the
// clients there are make room for whatever length a server announces.
type redisTalk struct {
	w io.Writer
	r *bufio.Reader
}

func newRedisTalk(rw io.ReadWriter) *redisTalk {
	return &redisTalk{w: rw, r: bufio.NewReaderSize(rw, maxRedisLine)}
}

// do sends one command and returns its reply, which is a string of one form or the other.
func (t *redisTalk) do(words ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(t.w, b.String()); err != nil {
		return "", t.lastWords(err)
	}
	return t.reply()
}

// lastWords is what the server said before it hung up on us, if it did: one that is full, or protected, doesn't wait for
// a command.
func (t *redisTalk) lastWords(err error) error {
	_, last := t.reply()
	if said, ok := errors.AsType[redisError](last); ok {
		return said
	}
	return err
}

// reply reads a simple string, an error, an integer or a bulk string.
func (t *redisTalk) reply() (string, error) {
	line, err := t.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errNotRedis
	case err != nil:
		return "", err
	}
	text, ok := strings.CutSuffix(string(line[1:]), "\r\n")
	if !ok {
		return "", errNotRedis
	}
	switch line[0] {
	case '+', ':':
		return text, nil
	case '-':
		return "", redisError(text)
	case '$':
		return t.bulk(text)
	}
	return "", errNotRedis
}

func (t *redisTalk) bulk(length string) (string, error) {
	n, err := strconv.ParseUint(length, 10, 31)
	if err != nil || n > maxRedisBulk {
		return "", errNotRedis
	}
	data := make([]byte, n+2)
	if _, err := io.ReadFull(t.r, data); err != nil {
		return "", err
	}
	text, ok := strings.CutSuffix(string(data), "\r\n")
	if !ok {
		return "", errNotRedis
	}
	return text, nil
}

// redisInfo reads the answer to INFO: lines of name:value.
func redisInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			info[name] = value
		}
	}
	return info
}
