package plugins

import "strings"

// speaks tells by how a server begins which protocol it is, and returns "" where it doesn't know. That is for people to
// read: a mail server may be called ftp.example.com.
func speaks(said string) string {
	line, _, _ := strings.Cut(said, "\n")
	line = strings.ToUpper(line)
	if strings.Contains(line, "SMTP") && strings.Contains(line, "FTP") {
		return "" // one of the two is part of a name
	}
	for _, p := range []struct{ begins, has, name string }{
		{"SSH-", "", "SSH"},
		{"220", "SMTP", "SMTP"}, // RFC 5321, section 4.3.1, wants the word there; FTP has no such rule
		{"220", "FTP", "FTP"},
		{"220", "FILEZILLA", "FTP"},
		{"+OK", "", "POP3"},
		{"-ERR", "", "POP3"},
		{"* OK", "", "IMAP"},
		{"* PREAUTH", "", "IMAP"},
		{"* BYE", "", "IMAP"},
		{"@RSYNCD:", "", "rsync"},
		{"HTTP/", "", "HTTP"},
		{"<!DOCTYPE", "", "HTTP"},
		{"<HTML", "", "HTTP"},
		{"RFB 0", "", "VNC"},
		{"\x15\x03", "", "TLS"}, // an alert: RFC 8446, section 5.1
		{"\x16\x03", "", "TLS"},
		{"200", "NNTP", "NNTP"},
		{"201", "NNTP", "NNTP"},
	} {
		if strings.HasPrefix(line, p.begins) && strings.Contains(line, p.has) {
			return p.name
		}
	}
	if len(said) > 5 && said[3] == 0 && (said[4] == 10 || said[4] == 0xff) {
		return "MySQL" // a packet with number 0: a handshake of version 10, or an error
	}
	return ""
}
