package plugins

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// judge makes an outcome of an answer, without the time it took.
func (d *dnsCheck) judge(r dnsReply) outcome {
	who, rcode := d.whom(), rcodeName(r.rcode)
	if r.explained != "" {
		rcode += " (" + r.explained + ")"
	}
	switch {
	case d.none && r.rcode == noSuchName:
		return good("%s answered %s: there is no such name, as expected", who, d.asked())
	case d.none:
		return fail("%s answered %s with %s, and it should not exist", who, d.asked(), rcode)
	case r.rcode == refuses && d.plain:
		return good("%s answered: it won't say %s, as is usual of one that knows its own names only; -l NAME asks for one of them", who, d.asked())
	case r.rcode == noSuchName:
		return fail("%s says that there is no name %s (NXDOMAIN)", who, d.name.String())
	case r.rcode == serverFails:
		return fail("%s can't answer %s: %s", who, d.asked(), rcode)
	case r.rcode != noError:
		return fail("%s won't answer %s: %s", who, d.asked(), rcode)
	}
	told, values := d.values(r)
	switch {
	case d.authority && !r.authoritative:
		return fail("%s answered %s, but not by its own authority: %s", who, d.asked(), orElse(told, "nothing"))
	case len(values) == 0 && !d.plain:
		return fail("%s has no record %s%s", who, d.asked(), d.instead(r))
	}
	text := fmt.Sprintf("%s answered %s: %s", who, d.asked(), orElse(told, "nothing"))
	if why := d.unexpected(values); why != "" {
		return fail("%s, but %s", text, why)
	}
	if d.dnssec {
		note, ok := r.secured(d.typ, time.Now())
		if !ok {
			return fail("%s, but %s", text, note)
		}
		text += ", " + note
	}
	return good("%s", text)
}

// values are the records of the type that was asked for, and the first of them for people.
func (d *dnsCheck) values(r dnsReply) (told string, values []dnsRecord) {
	var texts []string
	for _, rec := range r.records {
		if rec.typ == d.typ {
			values = append(values, rec)
			texts = append(texts, clean(rec.text, maxQuoted))
		}
	}
	slices.Sort(texts) // servers turn them round
	told = strings.Join(texts[:min(len(texts), maxTold)], ", ")
	if n := len(texts) - maxTold; n > 0 {
		told += fmt.Sprintf(" and %d more", n)
	}
	return told, values
}

// instead says what there is in the place of records.
func (d *dnsCheck) instead(r dnsReply) string {
	for _, rec := range r.records {
		if rec.typ == dnsType(dnsmessage.TypeCNAME) {
			return ": the name leads to " + quote(rec.text) + " and ends there"
		}
	}
	if !r.recursive && !r.authoritative && !d.norec {
		return ": it neither knows the name itself nor asks others"
	}
	return ""
}

// unexpected says what is not as --expect and --all want it; empty if all is.
func (d *dnsCheck) unexpected(values []dnsRecord) string {
	if len(d.expect) == 0 {
		return ""
	}
	met := make([]bool, len(d.expect))
	for _, v := range values {
		known := false
		for i, want := range d.expect {
			if v.is(want) {
				met[i], known = true, true
			}
		}
		if d.all && !known {
			return "nobody expects " + quote(v.text)
		}
	}
	first := slices.Index(met, false)
	switch {
	case d.all && first >= 0:
		return quote(d.expect[first]) + " is missing"
	case slices.Contains(met, true):
		return ""
	}
	want := make([]string, len(d.expect))
	for i, e := range d.expect {
		want[i] = quote(e)
	}
	return strings.Join(want[:min(len(want), maxTold)], " or ") + " is expected"
}

// is tells whether a record has a value: all of it, a part of it, or an address in a network. Names may lack their last
// dot, and capitals don't count in them; in text they do.
func (r dnsRecord) is(want string) bool {
	if r.typ == dnsType(dnsmessage.TypeTXT) {
		return r.text == want
	}
	if a, err := netip.ParseAddr(r.text); err == nil {
		if p, err := netip.ParsePrefix(want); err == nil {
			return p.Contains(a)
		}
		w, err := netip.ParseAddr(want)
		return err == nil && w == a
	}
	same := func(s string) bool {
		return strings.EqualFold(strings.TrimSuffix(s, "."), strings.TrimSuffix(want, "."))
	}
	return same(r.text) || slices.ContainsFunc(r.fields, same)
}

// secured tells whether an answer is protected by DNSSEC, as far as one that doesn't validate itself can see: the server
// says that it has validated it, or is the authority and sends signatures that are valid now.
func (r dnsReply) secured(typ dnsType, now time.Time) (note string, ok bool) {
	if r.validated {
		return "validated", true
	}
	if !r.authoritative {
		return "it does not say that it validated that (no AD)", false
	}
	var end time.Time
	for _, s := range r.signed {
		if s.covers == typ && s.begun(now) && s.end(now).After(end) {
			end = s.end(now)
		}
	}
	switch {
	case end.IsZero():
		return "it is not signed", false
	case end.Before(now):
		return fmt.Sprintf("its signature expired %s ago", days(now.Sub(end))), false
	}
	return fmt.Sprintf("signed for another %s", days(end.Sub(now))), true
}
