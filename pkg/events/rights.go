package events

import "fmt"

// CredentialKind says what a credential is for, and so what its holder may do on the bus (Rights).
type CredentialKind string

// The kinds.
const (
	// CredentialNode is a process that holds the cluster key and connects to a member: it may do everything. It makes its
	// credential itself.
	CredentialNode CredentialKind = "node"
	// CredentialProber is a remote prober: it looks, and says what it saw, under its own name only.
	CredentialProber CredentialKind = "prober"
	// CredentialReader is a tool that hears of outages.
	CredentialReader CredentialKind = "reader"
	// CredentialOperator is a person with the command line.
	CredentialOperator CredentialKind = "operator"
)

// CredentialKinds lists every kind.
var CredentialKinds = []CredentialKind{CredentialNode, CredentialProber, CredentialReader, CredentialOperator}

func (k CredentialKind) validate() error { return oneOf("kind of credential", k, CredentialKinds) }

// ValidateCredential returns nil for a known kind and a name that keeps the rules of a node's.
func ValidateCredential(kind CredentialKind, name string) error {
	if err := kind.validate(); err != nil {
		return err
	}
	if kind == CredentialNode || kind == CredentialProber {
		return ValidateNode(name)
	}
	return validateWord(fmt.Sprintf("%s's name", kind), name, MaxNodeLen, false)
}

// Subjects on which members are asked, and answer.
const (
	SubjectMembers = "_dmonitor.members" // who is there
	SubjectForget  = "_dmonitor.forget." // + <node>: drop what a node that is gone has said
)

// JetStream's API has the same calls twice: under JetStreamAPI for those who may do everything, and those that operators may
// make under OperatorAPI, by which they get from their own account to the one with the logs.
const (
	JetStreamAPI = "$JS.API."
	OperatorAPI  = "_dmonitor.api."
)

// InboxPrefix is where the holder of a credential gets its answers: its own, so that nobody hears those of others. A
// client has to be told to use it (nats.CustomInboxPrefix). It is one token, as clients want it.
func InboxPrefix(kind CredentialKind, name string) string {
	return "_INBOX_" + string(kind) + "_" + name
}

// Rights is the one table of who may speak where: the subjects (patterns) that the holder of a credential may publish
// and subscribe to. Everything else is refused by the member that it is connected to, so what stands in a subject needs no
// other proof: no prober but tokyo-1 could have published dmonitor.results.tokyo-1.ping.example.com. What isn't
// ValidateCredential has no rights: two empty lists.
func Rights(kind CredentialKind, name string) (publish, subscribe []string) {
	if ValidateCredential(kind, name) != nil {
		return nil, nil
	}
	switch kind {
	case CredentialNode:
		return []string{">"}, []string{">"}
	case CredentialProber:
		return []string{NodeResults(name), PresenceSubject(name)},
			[]string{JobsSubject(name), AllConfirm, PresenceSubject(name)}
	case CredentialReader:
		return nil, []string{AllOutages}
	case CredentialOperator:
		return operatorAsks(), []string{AllOutages, AllPresence, InboxPrefix(kind, name) + ".>"}
	default:
		return nil, nil
	}
}

// operatorAsks lists what the commands of the command line ask. They read the logs, by subjects of JetStream's API that
// can't change anything, and have members do what changes something. No consumer can be made, not even of results: where
// one delivers is for its maker to say, and what it delivers passes everywhere.
func operatorAsks() []string {
	return []string{
		SubjectMembers,
		SubjectForget + "*",
		OperatorAPI + "DIRECT.GET." + StreamOutages,
		OperatorAPI + "DIRECT.GET." + StreamTroubles,
		OperatorAPI + "DIRECT.GET." + StreamDeliveries,
		OperatorAPI + "DIRECT.GET." + StreamResults,
		OperatorAPI + "DIRECT.GET.KV_" + BucketConfig,
		OperatorAPI + "STREAM.MSG.GET.KV_" + BucketConfig,
		OperatorAPI + "STREAM.MSG.GET.KV_" + BucketLeases,
		OperatorAPI + "STREAM.INFO." + StreamNotices, // how many wait
	}
}
