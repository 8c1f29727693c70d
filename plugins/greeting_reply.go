package plugins

import "strings"

// reply is an answer with a code, as SMTP and FTP have it: RFC 5321, section 4.2, and RFC 959, section 4.2.
type reply struct {
	code  int
	lines []string // at least one, without their codes
}

// String is the reply in one line.
func (r reply) String() string {
	if r.code == 0 {
		return ""
	}
	return strings.TrimSpace(string([]byte{byte('0' + r.code/100), byte('0' + r.code/10%10), byte('0' + r.code%10)}) + " " + strings.Join(r.lines, " "))
}

// ask sends a command and reads the reply.
func (d *dialogue) ask(command string) (reply, error) {
	if err := d.say(command); err != nil {
		return reply{}, err
	}
	return d.reply()
}

// reply reads a reply of one or of several lines. textproto.Reader.ReadResponse would do, but it takes a code with no
// text for an error, which RFC 5321 allows, and copies all lines with each further one.
func (d *dialogue) reply() (reply, error) {
	var r reply
	for {
		line, err := d.line()
		if err != nil {
			return reply{}, err
		}
		code, text, more, ok := replyLine(line)
		switch {
		case r.code == 0 && !ok:
			return reply{}, d.foreign(line)
		case r.code == 0:
			r.code = code
		case !ok || code != r.code: // FTP allows any text between the first line and the last
			r.lines = append(r.lines, strings.TrimSpace(line))
			continue
		}
		r.lines = append(r.lines, text)
		if !more {
			return r, nil
		}
	}
}

// replyLine takes a line apart: "250-SIZE" has more to come, "250 fine" and "250" have not.
func replyLine(line string) (code int, text string, more, ok bool) {
	if len(line) < 3 {
		return 0, "", false, false
	}
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0, "", false, false
		}
		code = code*10 + int(c-'0')
	}
	if code < 100 || code > 599 {
		return 0, "", false, false
	}
	if len(line) == 3 {
		return code, "", false, true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, "", false, false
	}
	return code, strings.TrimSpace(line[4:]), line[3] == '-', true
}
