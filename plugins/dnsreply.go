package plugins

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxRecords is how many records of an answer are looked at.
const maxRecords = 1000

// dnsReply is an answer as far as it matters.
type dnsReply struct {
	rcode                               rcode
	authoritative, validated, truncated bool
	recursive                           bool // it asks others if asked to
	retried                             bool // it came over TCP after UDP was too small
	records                             []dnsRecord
	signed                              []signature
	explained                           string // what the server says of an error
}

// rcode is a response code. Like dnsType it is a type of its own, as the library's brings a table of names that is filled
// at each start.
type rcode dnsmessage.RCode

const (
	noError     = rcode(dnsmessage.RCodeSuccess)
	formatError = rcode(dnsmessage.RCodeFormatError)
	serverFails = rcode(dnsmessage.RCodeServerFailure)
	noSuchName  = rcode(dnsmessage.RCodeNameError)
	refuses     = rcode(dnsmessage.RCodeRefused)
)

// dnsRecord is one record of an answer.
type dnsRecord struct {
	typ    dnsType
	text   string   // as zone files have it, less quoting
	fields []string // its parts, where one of them alone may be expected
}

// signature is when a signature of records of a type is valid, in seconds since 1970, modulo 2^32 (RFC 4034, 3.1.5).
type signature struct {
	covers      dnsType
	from, until uint32
}

// understand reads a message, which is ours if it answers our question.
func (d *dnsCheck) understand(id uint16, b []byte) (r dnsReply, ours bool, err error) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != id || !h.Response {
		return r, false, nil //nolint:nilerr // Anybody can send anything.
	}
	questions, err := p.AllQuestions()
	if err != nil {
		return r, true, fmt.Errorf("the answer is broken: %w", err)
	}
	if len(questions) != 1 || !d.same(questions[0]) {
		if len(questions) != 0 || h.RCode == dnsmessage.RCodeSuccess {
			return r, false, nil
		}
	}
	r = dnsReply{rcode: rcode(h.RCode), authoritative: h.Authoritative, validated: h.AuthenticData, truncated: h.Truncated, recursive: h.RecursionAvailable}
	if r.truncated {
		return r, true, nil // the rest may be cut anywhere
	}
	if err := r.read(&p); err != nil {
		return r, true, fmt.Errorf("the answer is broken: %w", err)
	}
	return r, true, nil
}

func (d *dnsCheck) same(q dnsmessage.Question) bool {
	return strings.EqualFold(q.Name.String(), d.name.String()) && q.Type == dnsmessage.Type(d.typ) && q.Class == dnsmessage.ClassINET
}

// read reads the records of the answer, and what an error is about.
func (r *dnsReply) read(p *dnsmessage.Parser) error {
	for range maxRecords {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err == nil {
			err = r.record(p, h)
		}
		if err != nil {
			return err
		}
	}
	if r.rcode != noError {
		r.explain(p)
	}
	return nil
}

// explain looks for what the server says of an error. That is a courtesy: without it, or with it broken, the error stays.
func (r *dnsReply) explain(p *dnsmessage.Parser) {
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return
	}
	for {
		h, err := p.AdditionalHeader()
		switch {
		case err != nil:
			return
		case h.Type != dnsmessage.TypeOPT:
			if p.SkipAdditional() != nil {
				return
			}
			continue
		}
		r.rcode = rcode(h.ExtendedRCode(dnsmessage.RCode(r.rcode)))
		if o, err := p.OPTResource(); err == nil {
			r.explained = explainDNS(o.Options)
		}
		return
	}
}

// record reads the record that comes next.
func (r *dnsReply) record(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) error {
	if h.Class != dnsmessage.ClassINET {
		return p.SkipAnswer()
	}
	if h.Type == typeRRSIG {
		u, err := p.UnknownResource()
		if s, ok := readSignature(u.Data); err == nil && ok {
			r.signed = append(r.signed, s)
		}
		return err
	}
	fields, err := readFields(p, h.Type)
	if err == nil && len(fields) > 0 {
		r.records = append(r.records, dnsRecord{typ: dnsType(h.Type), text: strings.Join(fields, " "), fields: fields})
	}
	return err
}

// readFields reads a record of a type that can be asked for, and skips all others. It asks the parser for each type by its
// own method: the one for any type would bring tables of names with it, which are filled at each start.
func readFields(p *dnsmessage.Parser, typ dnsmessage.Type) ([]string, error) {
	switch typ {
	case dnsmessage.TypeA:
		b, err := p.AResource()
		return []string{netip.AddrFrom4(b.A).String()}, err
	case dnsmessage.TypeAAAA:
		b, err := p.AAAAResource()
		return []string{netip.AddrFrom16(b.AAAA).String()}, err
	case dnsmessage.TypeCNAME:
		b, err := p.CNAMEResource()
		return []string{b.CNAME.String()}, err
	case dnsmessage.TypeNS:
		b, err := p.NSResource()
		return []string{b.NS.String()}, err
	case dnsmessage.TypePTR:
		b, err := p.PTRResource()
		return []string{b.PTR.String()}, err
	case dnsmessage.TypeMX:
		b, err := p.MXResource()
		return []string{decimal(b.Pref), b.MX.String()}, err
	case dnsmessage.TypeSRV:
		b, err := p.SRVResource()
		return []string{decimal(b.Priority), decimal(b.Weight), decimal(b.Port), b.Target.String()}, err
	case dnsmessage.TypeSOA:
		b, err := p.SOAResource()
		return []string{b.NS.String(), b.MBox.String(), decimal(b.Serial)}, err
	case dnsmessage.TypeTXT:
		b, err := p.TXTResource()
		return []string{strings.Join(b.TXT, "")}, err
	case typeCAA:
		b, err := p.UnknownResource()
		return readCAA(b.Data), err
	}
	return nil, p.SkipAnswer()
}

func decimal[T uint16 | uint32](n T) string { return strconv.FormatUint(uint64(n), 10) }

// readCAA reads flags, a tag with its length, and a value (RFC 8659, section 4.1).
func readCAA(b []byte) []string {
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return []string{"(broken)"}
	}
	return []string{strconv.Itoa(int(b[0])), string(b[2 : 2+int(b[1])]), string(b[2+int(b[1]):])}
}

// readSignature reads an RRSIG record as far as the times: type, algorithm, labels, TTL, until, from (RFC 4034, 3.1).
func readSignature(b []byte) (signature, bool) {
	if len(b) < 18 {
		return signature{}, false
	}
	return signature{
		covers: dnsType(binary.BigEndian.Uint16(b)),
		until:  binary.BigEndian.Uint32(b[8:]), from: binary.BigEndian.Uint32(b[12:]),
	}, true
}

// end is when the signature ends, for a now that is at most 68 years away (RFC 4034, section 3.1.5).
func (s signature) end(now time.Time) time.Time {
	return now.Add(time.Duration(int32(s.until-uint32(now.Unix()))) * time.Second)
}

func (s signature) begun(now time.Time) bool { return int32(uint32(now.Unix())-s.from) >= 0 }

// explainDNS is what a server says of an error (RFC 8914): a number, whose names people know, and a text.
func explainDNS(options []dnsmessage.Option) string {
	const extendedError = 15
	names := map[uint16]string{
		3: "stale answer", 6: "DNSSEC bogus", 7: "signature expired", 8: "signature not yet valid", 9: "DNSKEY missing",
		10: "RRSIGs missing", 14: "not ready", 15: "blocked", 16: "censored", 17: "filtered", 18: "prohibited",
		20: "not authoritative", 22: "no reachable authority", 23: "network error", 24: "invalid data",
	}
	for _, o := range options {
		if o.Code != extendedError || len(o.Data) < 2 {
			continue
		}
		code := binary.BigEndian.Uint16(o.Data)
		name, ok := names[code]
		if !ok {
			name = "error " + strconv.Itoa(int(code))
		}
		if text := string(o.Data[2:]); text != "" {
			name += ": " + quote(text)
		}
		return name
	}
	return ""
}
