package bus

import (
	"reflect"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Limits of the streams. Ages are the design's; bytes are bounds on what trouble can cost in disk or memory: an event
// of three nodes is 1 to 3 KB, a notice the same, a delivery and a result half a KB.
const (
	outagesAge     = 365 * 24 * time.Hour
	outagesBytes   = 1 << 30
	noticesBytes   = 256 << 20
	noticesMemory  = 24 * time.Hour // a notice is queued once per id for so long; a mailer gives up after as long
	troublesBytes  = 64 << 20       // one that lists 200 blind checks is 50 KB
	deliveriesAge  = 90 * 24 * time.Hour
	deliveryBytes  = 64 << 20
	resultsAge     = 24 * time.Hour
	resultsBytes   = 6 << 20 // it counts towards the 64 MiB a node may take
	resultsPerNode = 24 * 60 // of one check on one node: a day of looking each minute; a busy check pushes no other out
	leaseMarker    = time.Second
)

// Consumer settings. ackWait is how long a message stays with a holder that has gone silent; holders that live
// say so every keepEvery (and stop saying so after keepFor). It covers an election of 9 s with some room, so that a
// holder that lives through one keeps its message.
const (
	ackWait       = 20 * time.Second
	keepEvery     = 4 * time.Second
	keepFor       = 10 * time.Minute
	maxAckPending = 1000
	firstAgain    = 250 * time.Millisecond // until what was not handled comes again; doubles each time, to a minute
)

// kv prefixes, as the bucket convention of NATS has them.
const (
	kvStream  = "KV_"
	kvSubject = "$KV."
)

func kvKey(bucket, key string) string { return kvSubject + bucket + "." + key }

// replicasFor is how many copies a log has with so many members: an even number of copies above two would survive no
// more losses than one less.
func replicasFor(nodes int) int {
	switch {
	case nodes <= 1:
		return 1
	case nodes == 2:
		return 2
	case nodes <= 4:
		return 3
	default:
		return 5
	}
}

// streams lists all streams with so many members. Buckets are streams too, laid out as the NATS clients expect them.
func streams(nodes int) []jetstream.StreamConfig {
	all := []jetstream.StreamConfig{
		{
			Name: events.StreamOutages, Description: "events of outages, committed by compare-and-swap",
			Subjects:  []string{events.AllPropose},
			RePublish: &jetstream.RePublish{Source: events.AllPropose, Destination: events.AllOutages},
			MaxAge:    outagesAge, MaxBytes: outagesBytes, Discard: jetstream.DiscardOld, AllowDirect: true,
		},
		{
			Name: events.StreamNotices, Description: "notices that wait to be sent",
			Subjects: []string{events.AllNotices}, Retention: jetstream.WorkQueuePolicy,
			// Full means refuse, so that the fan-out waits, rather than forget somebody.
			MaxBytes: noticesBytes, Discard: jetstream.DiscardNew, Duplicates: noticesMemory,
		},
		{
			Name: events.StreamDeliveries, Description: "how the sending of each notice ended",
			Subjects: []string{events.AllDeliveries},
			MaxAge:   deliveriesAge, MaxBytes: deliveryBytes, Discard: jetstream.DiscardOld, AllowDirect: true,
		},
		{
			Name: events.StreamResults, Description: "what nodes saw lately",
			Subjects: []string{events.AllResults}, Storage: jetstream.MemoryStorage, NoAck: true,
			MaxAge: resultsAge, MaxBytes: resultsBytes, MaxMsgsPerSubject: resultsPerNode,
			Discard: jetstream.DiscardOld, AllowDirect: true,
		},
		{
			Name: events.StreamTroubles, Description: "events of troubles of dmonitor itself, committed by compare-and-swap",
			Subjects:  []string{events.AllProposeTrouble},
			RePublish: &jetstream.RePublish{Source: events.AllProposeTrouble, Destination: events.AllTroubles},
			MaxAge:    outagesAge, MaxBytes: troublesBytes, Discard: jetstream.DiscardOld, AllowDirect: true,
		},
		bucket(events.BucketConfig, "what each node's directory says"),
		bucket(events.BucketLeases, "who leads"),
	}
	config, leases := &all[5], &all[6]
	config.RePublish = &jetstream.RePublish{
		Source: kvKey(events.BucketConfig, ">"), Destination: events.AllConfig, HeadersOnly: true,
	}
	leases.AllowMsgTTL = true
	leases.SubjectDeleteMarkerTTL = leaseMarker
	for i := range all {
		all[i].Replicas = replicasFor(nodes)
		if all[i].Storage == jetstream.MemoryStorage {
			all[i].Replicas = min(all[i].Replicas, 3) // a copy for each arbiter to start from isn't worth it
		}
	}
	return all
}

// bucket is a key-value bucket with one value per key. With more than one, the time to live of leases would silently
// become that of their markers.
func bucket(name, what string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: kvStream + name, Description: what,
		Subjects: []string{kvKey(name, ">")}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew,
		AllowRollup: true, DenyDelete: true, AllowDirect: true,
	}
}

// consumers lists the durable consumers by stream.
func consumers() map[string]jetstream.ConsumerConfig {
	durable := func(name, what string) jetstream.ConsumerConfig {
		return jetstream.ConsumerConfig{
			Durable: name, Description: what,
			DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: ackWait, MaxDeliver: -1, MaxAckPending: maxAckPending,
		}
	}
	send := durable(events.ConsumerSend, "notices, to be sent")
	// A consumer that was made without this takes the same pulls, and serves them in the order in which they came.
	send.PriorityPolicy, send.PriorityGroups = jetstream.PriorityPolicyPrioritized, []string{senders}
	return map[string]jetstream.ConsumerConfig{
		events.StreamOutages:  durable(events.ConsumerFanOut, "committed events, to be made into notices"),
		events.StreamTroubles: durable(events.ConsumerFanOut, "committed events, to be made into notices"),
		events.StreamNotices:  send,
	}
}

// updated returns the configuration a stream should have: what it has, with what we ask for in its place. The second
// value is false if it has that already. What can't be changed later (storage, retention) is left as it is.
func updated(have, want jetstream.StreamConfig) (jetstream.StreamConfig, bool) {
	next := have
	next.Description = want.Description
	next.Subjects = want.Subjects
	next.RePublish = want.RePublish
	next.MaxAge, next.Discard = want.MaxAge, want.Discard
	next.Replicas = want.Replicas
	next.AllowDirect, next.NoAck = want.AllowDirect, want.NoAck
	if want.MaxBytes != 0 {
		next.MaxBytes = want.MaxBytes
	}
	if want.MaxMsgsPerSubject != 0 {
		next.MaxMsgsPerSubject = want.MaxMsgsPerSubject
	}
	if want.Duplicates != 0 {
		next.Duplicates = want.Duplicates
	}
	if want.SubjectDeleteMarkerTTL != 0 {
		next.AllowMsgTTL, next.SubjectDeleteMarkerTTL = want.AllowMsgTTL, want.SubjectDeleteMarkerTTL
	}
	return next, !reflect.DeepEqual(have, next)
}
