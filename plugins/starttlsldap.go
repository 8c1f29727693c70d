package plugins

import (
	"errors"
	"fmt"
	"io"
)

// maxLDAP is how long an answer to StartTLS may be, in bytes.
const maxLDAP = 4 << 10

var errBER = errors.New("not LDAP")

// startLDAP sends the extended request with StartTLS' number, 1.3.6.1.4.1.1466.20037, and reads the answer.
func startLDAP(c io.ReadWriter) (string, error) {
	const oid = "1.3.6.1.4.1.1466.20037"
	request := append([]byte{0x30, 5 + 2 + byte(len(oid)), 0x02, 1, 1, 0x77, 2 + byte(len(oid)), 0x80, byte(len(oid))}, oid...)
	if _, err := c.Write(request); err != nil {
		return "", err
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		return "", err
	}
	more := 0
	if head[1] > 0x80 {
		more = int(head[1] & 0x7f)
	}
	if head[0] != 0x30 || head[1] == 0x80 || more > 4 {
		return "", noTLSError(head)
	}
	long := make([]byte, more)
	if _, err := io.ReadFull(c, long); err != nil {
		return "", err
	}
	whole := string(head) + string(long)
	n := berLength([]byte(whole[1:]))
	if n > maxLDAP {
		return "", noTLSError(whole)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c, body); err != nil {
		return "", err
	}
	code, why, err := ldapResult(body)
	switch {
	case err != nil:
		return "", noTLSError(whole + string(body))
	case code != 0:
		return "", noTLSError(fmt.Sprintf("result %d: %s", code, why))
	}
	return "", nil
}

// ldapResult reads the inside of a message that answers an extended request: a number, and in an element of its own
// (application 24) a code, a name and a text for people. What follows is of no matter.
func ldapResult(b []byte) (code int, text string, err error) {
	const integer, extended, enumerated, octets = 0x02, 0x78, 0x0a, 0x04
	_, b, err = berElement(b, integer)
	if err != nil {
		return 0, "", err
	}
	b, _, err = berElement(b, extended)
	if err != nil {
		return 0, "", err
	}
	number, b, err := berElement(b, enumerated)
	if err != nil || len(number) != 1 {
		return 0, "", errBER
	}
	_, b, err = berElement(b, octets)
	if err != nil {
		return 0, "", err
	}
	why, _, err := berElement(b, octets)
	return int(number[0]), string(why), err
}

// berElement takes the first element off b, if it has that tag. Lengths may be longer than they need be: Active Directory's
// always are, and the standard library's parser, which is made for certificates, doesn't take them.
func berElement(b []byte, tag byte) (value, rest []byte, err error) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, errBER
	}
	size := 1
	if b[1] > 0x80 {
		size += int(b[1] & 0x7f)
	}
	if b[1] == 0x80 || size > 5 || len(b) < 1+size {
		return nil, nil, errBER
	}
	n := berLength(b[1 : 1+size])
	if n > len(b)-1-size {
		return nil, nil, errBER
	}
	return b[1+size:][:n], b[1+size+n:], nil
}

// berLength reads a length: one byte below 128, or 128 and how many bytes have it, and these. Too long is maxLDAP+1.
func berLength(b []byte) int {
	if b[0] < 0x80 {
		return int(b[0])
	}
	n := uint32(0)
	for _, c := range b[1:] {
		n = n<<8 | uint32(c)
	}
	return int(min(n, maxLDAP+1))
}
