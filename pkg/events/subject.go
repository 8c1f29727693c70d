package events

import (
	"fmt"
	"strings"
)

// Subject prefixes and patterns. Nothing else in dmonitor writes a subject by hand.
const (
	SubjectJobs       = "dmonitor.jobs."       // + <node>
	SubjectConfirm    = "dmonitor.confirm."    // + <test>.<host>
	SubjectResults    = "dmonitor.results."    // + <node>.<test>.<host>
	SubjectPresence   = "dmonitor.presence."   // + <node>
	SubjectPropose    = "dmonitor.propose."    // + <event>.<test>.<host>
	SubjectOutages    = "dmonitor.outages."    // + <event>.<test>.<host>; the public contract
	SubjectNotices    = "dmonitor.notices."    // + <notice id>
	SubjectDeliveries = "dmonitor.deliveries." // + <outcome>.<notice id>
	SubjectConfig     = "dmonitor.config."     // + <node>; says that the node's Contribution was stored, without a body

	SubjectProposeTrouble = "dmonitor.propose-trouble." // + <event>.<kind>.<node, or "all">
	SubjectTroubles       = "dmonitor.troubles."        // + <event>.<kind>.<node, or "all">; committed only
	SubjectUncommitted    = "dmonitor.uncommitted."     // + <node>
	SubjectTold           = "dmonitor.told."            // + <node>
	SubjectToldAsk        = "dmonitor.told-ask."        // + <node>

	AllConfirm    = SubjectConfirm + ">"
	AllResults    = SubjectResults + ">"
	AllPresence   = SubjectPresence + "*"
	AllPropose    = SubjectPropose + ">"
	AllOutages    = SubjectOutages + ">"
	AllNotices    = SubjectNotices + "*"
	AllDeliveries = SubjectDeliveries + ">"
	AllConfig     = SubjectConfig + ">"

	AllProposeTrouble = SubjectProposeTrouble + ">"
	AllTroubles       = SubjectTroubles + ">"
	AllUncommitted    = SubjectUncommitted + "*"
	AllTold           = SubjectTold + "*"
	AllToldAsk        = SubjectToldAsk + "*"
)

// Streams, buckets and durable consumers of the bus.
const (
	StreamOutages    = "OUTAGES"    // AllPropose, republished to AllOutages once stored; kept a year
	StreamTroubles   = "TROUBLES"   // AllProposeTrouble, republished to AllTroubles once stored; kept a year
	StreamNotices    = "NOTICES"    // AllNotices; a work queue
	StreamDeliveries = "DELIVERIES" // AllDeliveries; how each notice ended, kept 90 days
	StreamResults    = "RESULTS"    // AllResults; 24 h, bounded in bytes, in memory
	BucketConfig     = "CONFIG"     // one Contribution per node, by ConfigKey
	BucketLeases     = "LEASES"     // one key per lease, with a TTL

	ConsumerFanOut = "fan-out" // on OUTAGES and on TROUBLES: committed events to notices
	ConsumerSend   = "send"    // on NOTICES: notices to mail

	LeaseScheduler = "scheduler" // key in BucketLeases
)

// JobsSubject is where the jobs of one node are published.
func JobsSubject(node string) string { return SubjectJobs + node }

// ConfirmSubject is where confirmations of a check are published, to every prober.
func ConfirmSubject(c Check) string { return SubjectConfirm + c.tail() }

// ResultSubject is where a node publishes its results of a check.
func ResultSubject(node string, c Check) string { return SubjectResults + node + "." + c.tail() }

// NodeResults is the pattern of all results of one node.
func NodeResults(node string) string { return SubjectResults + node + ".>" }

// PresenceSubject is where a node says that it is there.
func PresenceSubject(node string) string { return SubjectPresence + node }

// ProposeSubject is where an arbiter proposes an event to the log. Nobody but the stream subscribes to it: a proposal
// that lost the race is seen there too.
func ProposeSubject(e Event, c Check) string { return SubjectPropose + string(e) + "." + c.tail() }

// ProposeFilter is the pattern of all events of one check in the log; the compare-and-swap is on its last sequence.
func ProposeFilter(c Check) string { return SubjectPropose + "*." + c.tail() }

// OutageSubject is where a committed event appears.
func OutageSubject(e Event, c Check) string { return SubjectOutages + string(e) + "." + c.tail() }

// ProposeTroubleSubject is where an arbiter proposes an event of a trouble; as with outages nobody but the stream
// subscribes to it.
func ProposeTroubleSubject(e TroubleEvent, k TroubleKey) string {
	return SubjectProposeTrouble + string(e) + "." + k.tail()
}

// ProposeTroubleFilter is the pattern of all events of one trouble's key in the log.
func ProposeTroubleFilter(k TroubleKey) string { return SubjectProposeTrouble + "*." + k.tail() }

// TroubleSubject is where a committed event of a trouble appears.
func TroubleSubject(e TroubleEvent, k TroubleKey) string {
	return SubjectTroubles + string(e) + "." + k.tail()
}

// NoticeSubject is where one notice waits to be sent.
func NoticeSubject(id string) string { return SubjectNotices + id }

// DeliverySubject is where it is recorded how a notice ended.
func DeliverySubject(o Outcome, noticeID string) string {
	return SubjectDeliveries + string(o) + "." + noticeID
}

// ConfigKey is the key of a node's Contribution in BucketConfig. Node names are valid keys as they are.
func ConfigKey(node string) string { return node }

// tail writes a check as the end of a subject: the test first, because it is one token, and then the host, dots and
// all.
func (c Check) tail() string { return c.Test + "." + c.Host }

// parseTail reads what tail wrote.
func parseTail(s string) (Check, error) {
	test, host, _ := strings.Cut(s, ".")
	c := Check{Host: host, Test: test}
	if err := c.Validate(); err != nil {
		return Check{}, err
	}
	return c, nil
}

// ParseResultSubject reads node and check from a result's subject.
func ParseResultSubject(subject string) (node string, c Check, err error) {
	rest, ok := strings.CutPrefix(subject, SubjectResults)
	if !ok {
		return "", Check{}, fmt.Errorf("subject %q: not a result", clip(subject))
	}
	node, tail, _ := strings.Cut(rest, ".")
	if err := ValidateNode(node); err != nil {
		return "", Check{}, fmt.Errorf("subject %q: %w", clip(subject), err)
	}
	c, err = parseTail(tail)
	if err != nil {
		return "", Check{}, fmt.Errorf("subject %q: %w", clip(subject), err)
	}
	return node, c, nil
}

// ParseOutageSubject reads event and check from the subject of a proposal or of a committed event. The event may be
// one this version doesn't know, but is one token of [a-z0-9_-]; readers ignore those they don't know.
func ParseOutageSubject(subject string) (e Event, c Check, err error) {
	rest, ok := strings.CutPrefix(subject, SubjectOutages)
	if !ok {
		rest, ok = strings.CutPrefix(subject, SubjectPropose)
	}
	if !ok {
		return "", Check{}, fmt.Errorf("subject %q: not an outage event", clip(subject))
	}
	event, tail, _ := strings.Cut(rest, ".")
	if err := validateWord("event", event, MaxTestLen, true); err != nil {
		return "", Check{}, fmt.Errorf("subject %q: %w", clip(subject), err)
	}
	c, err = parseTail(tail)
	if err != nil {
		return "", Check{}, fmt.Errorf("subject %q: %w", clip(subject), err)
	}
	return Event(event), c, nil
}

// ParseTroubleSubject reads event and key from the subject of a proposal or of a committed event. The event may be one
// this version doesn't know, as with ParseOutageSubject.
func ParseTroubleSubject(subject string) (e TroubleEvent, k TroubleKey, err error) {
	rest, ok := strings.CutPrefix(subject, SubjectTroubles)
	if !ok {
		rest, ok = strings.CutPrefix(subject, SubjectProposeTrouble)
	}
	parts := strings.Split(rest, ".")
	if !ok || len(parts) != 3 || parts[2] == "" {
		return "", TroubleKey{}, fmt.Errorf("subject %q: not a trouble", clip(subject))
	}
	if err := validateWord("event", parts[0], MaxTestLen, true); err != nil {
		return "", TroubleKey{}, fmt.Errorf("subject %q: %w", clip(subject), err)
	}
	k = TroubleKey{Kind: TroubleKind(parts[1]), Node: parts[2]}
	if k.Kind != TroubleNode && k.Node == aboutAll {
		k.Node = ""
	}
	if err := k.Validate(); err != nil {
		return "", TroubleKey{}, fmt.Errorf("subject %q: %w", clip(subject), err)
	}
	return TroubleEvent(parts[0]), k, nil
}
