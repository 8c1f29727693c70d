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

// ValidateCredential returns nil for a known kind and a name that keeps the rules of a node's.
func ValidateCredential(kind CredentialKind, name string) error {
	if err := oneOf("kind of credential", kind, CredentialKinds); err != nil {
		return err
	}
	if kind == CredentialNode || kind == CredentialProber {
		return ValidateNode(name)
	}
	return validateWord(fmt.Sprintf("name of a %s", kind), name, MaxNodeLen, false)
}

// Rights is the one table of who may speak where: the subjects (patterns) that the holder of a credential may publish
// and subscribe to. Everything else is refused by the member that it is connected to, so what stands in a subject needs no
// other proof: no prober but tokyo-1 could have published dmonitor.results.tokyo-1.ping.example.com. What isn't
// ValidateCredential has no rights.
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
		return operatorPublishes(), operatorSubscribes()
	default:
		return nil, nil
	}
}

func operatorPublishes() []string { return nil }

func operatorSubscribes() []string { return []string{AllOutages, AllTroubles, AllPresence} }
