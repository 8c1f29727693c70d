package events

import (
	"net/url"
	"time"
)

// Headers of an outage event: CloudEvents 1.0 in the NATS protocol binding's binary mode, so that any NATS client can
// route events without reading the body.
const (
	HeaderID          = "ce-id"
	HeaderType        = "ce-type"
	HeaderSource      = "ce-source"
	HeaderSpecVersion = "ce-specversion"
	HeaderTime        = "ce-time"
	HeaderSubject     = "ce-subject"
	HeaderContentType = "content-type"

	cloudEventsVersion = "1.0"
	typePrefix         = "org.dmonitor.outage."
	troublePrefix      = "org.dmonitor.trouble."
)

// Headers returns the event's CloudEvents headers.
func (o *Outage) Headers() map[string]string {
	return map[string]string{
		HeaderID:          o.ID,
		HeaderType:        typePrefix + string(o.Event),
		HeaderSource:      "dmonitor/" + url.PathEscape(o.By), // A source is a URI reference.
		HeaderSpecVersion: cloudEventsVersion,
		HeaderTime:        o.Time.UTC().Format(time.RFC3339Nano),
		HeaderSubject:     o.Check.String(),
		HeaderContentType: "application/json",
	}
}
