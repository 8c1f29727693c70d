package asyncapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// constants reads the string constants of pkg/events whose names start with prefix, by name. Reading the source finds
// those too that are added later.
func constants(t *testing.T, prefix string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../pkg/events/subject.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = s
		}
		return true
	})
	if len(found) == 0 {
		t.Fatalf("no constants %s… in subject.go", prefix)
	}
	return found
}

// Every subject the code knows is a channel, and every channel is a subject the code knows.
func TestSubjects(t *testing.T) {
	t.Parallel()
	d := read(t)
	subjects := slices.Collect(maps.Values(constants(t, "Subject")))
	subjects = append(subjects, "$KV."+events.BucketConfig+".")
	var prefixes []string
	for _, c := range d.Channels {
		prefix, _, _ := strings.Cut(c.Address, "{")
		prefixes = append(prefixes, prefix)
	}
	slices.Sort(subjects)
	slices.Sort(prefixes)
	if !slices.Equal(subjects, prefixes) {
		t.Errorf("the code has %q,\nthe file %q", subjects, prefixes)
	}
}

// The addresses are what the functions of pkg/events build.
func TestAddresses(t *testing.T) {
	t.Parallel()
	d := read(t)
	check := events.Check{Host: "{host}", Test: "{test}"}
	want := map[string]string{
		"outages":            events.OutageSubject("{event}", check),
		"proposals":          events.ProposeSubject("{event}", check),
		"jobs":               events.JobsSubject("{node}"),
		"confirmations":      events.ConfirmSubject(check),
		"results":            events.ResultSubject("{node}", check),
		"presence":           events.PresenceSubject("{node}"),
		"notices":            events.NoticeSubject("{notice}"),
		"deliveries":         events.DeliverySubject("{outcome}", "{notice}"),
		"contributions":      "$KV." + events.BucketConfig + "." + events.ConfigKey("{node}"),
		"contributionStored": events.SubjectConfig + "{node}",
		"troubles":           events.TroubleSubject("{event}", events.TroubleKey{Kind: "{kind}", Node: "{about}"}),
		"troubleProposals":   events.ProposeTroubleSubject("{event}", events.TroubleKey{Kind: "{kind}", Node: "{about}"}),
		"uncommitted":        events.SubjectUncommitted + "{node}",
		"told":               events.SubjectTold + "{node}",
		"toldQuestions":      events.SubjectToldAsk + "{node}",
	}
	got := map[string]string{}
	for name, c := range d.Channels {
		got[name] = c.Address
		var inAddress []string
		for _, m := range regexp.MustCompile(`{(\w+)}`).FindAllStringSubmatch(c.Address, -1) {
			inAddress = append(inAddress, m[1])
		}
		slices.Sort(inAddress)
		if parameters := slices.Sorted(maps.Keys(c.Parameters)); !slices.Equal(parameters, inAddress) {
			t.Errorf("%s: parameters %v, the address has %v", name, parameters, inAddress)
		}
		happened := text(events.Events)
		if strings.HasPrefix(name, "trouble") {
			happened = text(events.TroubleEvents)
		}
		for parameter, list := range map[string][]string{
			"event": happened, "outcome": text(events.Outcomes), "kind": text(events.TroubleKinds),
		} {
			if p, ok := c.Parameters[parameter]; ok && !slices.Equal(p.Enum, list) {
				t.Errorf("%s: %s is one of %v, want %v", name, parameter, p.Enum, list)
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("channels\n%v, want\n%v", got, want)
	}
}

// Every stream, and the bucket others may read, is named where its messages are.
func TestStreams(t *testing.T) {
	t.Parallel()
	var got []string
	for _, c := range read(t).Channels {
		if c.Stream != "" {
			got = append(got, c.Stream)
		}
		if c.Bucket != "" && c.Bucket != events.BucketConfig {
			t.Errorf("bucket %s", c.Bucket)
		}
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Values(constants(t, "Stream"))); !slices.Equal(got, want) {
		t.Errorf("streams %v, want %v", got, want)
	}
}

// Every channel has an operation and one message; every message has a schema of the same name.
func TestParts(t *testing.T) {
	t.Parallel()
	d := read(t)
	operated := map[string]bool{}
	for name, o := range d.Operations {
		channel, ok := strings.CutPrefix(o.Channel.Ref, "#/channels/")
		if _, known := d.Channels[channel]; !ok || !known || operated[channel] {
			t.Errorf("operation %s: channel %q", name, o.Channel.Ref)
		}
		operated[channel] = true
	}
	used := map[string]bool{}
	for name, c := range d.Channels {
		if !operated[name] {
			t.Errorf("channel %s has no operation", name)
		}
		for key, m := range c.Messages {
			if m.Ref != "#/components/messages/"+key {
				t.Errorf("channel %s: message %s is %s", name, key, m.Ref)
			}
			used[key] = true
		}
		if len(c.Messages) != 1 {
			t.Errorf("channel %s has %d messages, want one", name, len(c.Messages))
		}
	}
	for name, m := range d.Components.Messages {
		if !used[name] {
			t.Errorf("message %s is on no channel", name)
		}
		if m.Payload == nil {
			if name != "contributionStored" {
				t.Errorf("message %s has no payload", name)
			}
			continue
		}
		if want := schemas + strings.ToUpper(name[:1]) + name[1:]; m.Payload.Ref != want {
			t.Errorf("message %s: payload %s, want %s", name, m.Payload.Ref, want)
		}
		delete(used, name)
	}
	delete(used, "contributionStored")
	if len(used) > 0 {
		t.Errorf("messages that are nowhere: %v", used)
	}
}

func text[T ~string](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}
