package plugins

// clockState is what is known about this node's own clock.
type clockState int

const (
	clockUnknown  clockState = iota
	clockSynced              // somebody keeps it right
	clockUnsynced            // nobody does
)
