package asyncapi

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const schemas = "#/components/schemas/"

// Messages as they travel. What they contain is found by walking their fields.
var messages = []reflect.Type{
	reflect.TypeFor[events.Outage](), reflect.TypeFor[events.Job](), reflect.TypeFor[events.Confirmation](),
	reflect.TypeFor[events.Result](), reflect.TypeFor[events.Presence](), reflect.TypeFor[events.Notice](),
	reflect.TypeFor[events.Delivery](), reflect.TypeFor[events.Contribution](),
	reflect.TypeFor[events.Trouble](), reflect.TypeFor[events.Uncommitted](), reflect.TypeFor[events.Told](), reflect.TypeFor[events.ToldAsk](),
}

var enums = map[string][]string{
	"Status": text(events.Statuses), "Vote": text(events.Votes), "Event": text(events.Events), "Outcome": text(events.Outcomes),
	"TroubleKind": text(events.TroubleKinds), "TroubleEvent": text(events.TroubleEvents),
}

// named are schemas for a rule that is a function in the code.
var named = map[string]string{"Version": "integer", "Host": "string", "Test": "string", "Node": "string", "Id": "string", "Millis": "number"}

// walker compares types with schemas and remembers which ones it came by.
type walker struct {
	t    *testing.T
	file map[string]schema
	seen map[string]bool
}

// Every message and everything in it has a schema with the same fields, types and required fields, and no schema is left
// over.
func TestSchemas(t *testing.T) {
	t.Parallel()
	w := walker{t, read(t).Components.Schemas, map[string]bool{"CloudEvent": true}}
	for _, m := range messages {
		w.object(m)
	}
	for name := range w.file {
		if _, isRule := named[name]; !w.seen[name] && !isRule {
			t.Errorf("schema %s: nothing in the code has it", name)
		}
	}
	for name, list := range enums {
		if s := w.file[name]; s.Type != "string" || !slices.Equal(s.Enum, list) {
			t.Errorf("%s: %s of %v, want %v", name, s.Type, s.Enum, list)
		}
	}
	for name, kind := range named {
		if s := w.file[name]; s.Type != kind {
			t.Errorf("%s: %s, want %s", name, s.Type, kind)
		}
	}
	if v := fmt.Sprint(w.file["Version"].Const); v != fmt.Sprint(events.Version) {
		t.Errorf("version %s, want %d", v, events.Version)
	}
}

func (w walker) object(t reflect.Type) {
	if w.seen[t.Name()] {
		return
	}
	w.seen[t.Name()] = true
	s, ok := w.file[t.Name()]
	if !ok || s.Type != "object" {
		w.t.Errorf("%s: no schema of type object", t.Name())
		return
	}
	var names, required []string
	for _, f := range fields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		if options == "" {
			required = append(required, name)
		}
		property, ok := s.Properties[name]
		if !ok {
			w.t.Errorf("%s.%s: not in the file", t.Name(), name)
			continue
		}
		if got, want := w.kind(property), w.kindOf(f.Type); got != want {
			w.t.Errorf("%s.%s: the file says %s, the code %s", t.Name(), name, got, want)
		}
	}
	slices.Sort(names)
	if got := slices.Sorted(maps.Keys(s.Properties)); !slices.Equal(got, names) {
		w.t.Errorf("%s: the file has %v, the code %v", t.Name(), got, names)
	}
	slices.Sort(required)
	if got := slices.Sorted(slices.Values(s.Required)); !slices.Equal(got, required) {
		w.t.Errorf("%s: the file requires %v, the code writes always %v", t.Name(), got, required)
	}
}

// fields lists a struct's fields as JSON has them: those of embedded structs are its own.
func fields(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for f := range t.Fields() {
		if f.Anonymous {
			out = append(out, fields(f.Type)...)
		} else {
			out = append(out, f)
		}
	}
	return out
}

// kind writes what a schema says in one word; a named rule counts as its type.
func (w walker) kind(s schema) string {
	if name, ok := strings.CutPrefix(s.Ref, schemas); ok {
		if simple, isRule := named[name]; isRule {
			return simple
		}
		return name
	}
	if s.Type == "array" && s.Items != nil {
		return "list of " + w.kind(*s.Items)
	}
	return strings.TrimSpace(s.Type + " " + s.Format)
}

func (w walker) kindOf(t reflect.Type) string {
	if _, isEnum := enums[t.Name()]; isEnum {
		w.seen[t.Name()] = true
		return t.Name()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "string date-time"
	case t == reflect.TypeFor[events.Millis]():
		return "number"
	case t.Kind() == reflect.Pointer:
		return w.kindOf(t.Elem())
	case t.Kind() == reflect.Slice:
		return "list of " + w.kindOf(t.Elem())
	case t.Kind() == reflect.Struct:
		w.object(t)
		return t.Name()
	case t.Kind() == reflect.String:
		return "string"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "integer"
	}
	w.t.Errorf("%v: a type this test doesn't know", t)
	return ""
}

// Limits in the file are those of the code.
func TestLimits(t *testing.T) {
	t.Parallel()
	file := read(t).Components.Schemas
	limit := func(p *int) int {
		if p == nil {
			return -1
		}
		return *p
	}
	of := func(object, field string) schema { return file[object].Properties[field] }
	for what, c := range map[string]struct{ got, want int }{
		"host":               {limit(file["Host"].MaxLength), events.MaxHostLen},
		"outage.agree":       {limit(of("Outage", "agree").Maximum), events.MaxAgree},
		"outage.votes":       {limit(of("Outage", "votes").MaxItems), events.MaxVotes},
		"outage.reason":      {limit(of("Outage", "reason").MaxLength), events.MaxReason},
		"outage.note":        {limit(of("Outage", "note").MaxLength), events.MaxNote},
		"vote.output":        {limit(of("NodeVote", "output").MaxLength), events.MaxVoteOutput},
		"job.args":           {limit(of("Job", "args").MaxItems), events.MaxArgs},
		"job.args.items":     {limit(of("Job", "args").Items.MaxLength), events.MaxArgLen},
		"confirmation.nodes": {limit(of("Confirmation", "nodes").MaxItems), events.MaxVotes},
		"result.output":      {limit(of("Result", "output").MaxLength), 3 * events.MaxOutput},
		"result.detail":      {limit(of("Result", "detail").MaxLength), 6 * events.MaxOutput},
		"result.perf":        {limit(of("Result", "perf").MaxItems), events.MaxPerf},
		"presence.plugins":   {limit(of("Presence", "plugins").MaxItems), events.MaxPlugins},
		"presence.withheld":  {limit(of("Presence", "withheld").MaxItems), events.MaxWithheld},
		"withheld.why":       {limit(of("Withheld", "why").MaxLength), events.MaxReason},
		"delivery.answer":    {limit(of("Delivery", "answer").MaxLength), events.MaxOutput},
		"definition.agree":   {limit(of("Definition", "agree").Maximum), events.MaxAgree},
		"definition.note":    {limit(of("Definition", "note").MaxLength), events.MaxNote},
		"recipient.hosts":    {limit(of("Recipient", "hosts").MaxItems), events.MaxList},
	} {
		if c.got != c.want {
			t.Errorf("%s: the file says %d, the code %d", what, c.got, c.want)
		}
	}
}

// The patterns in the file and the functions in the code agree on what a name is.
func TestNames(t *testing.T) {
	t.Parallel()
	file := read(t).Components.Schemas
	names := []string{
		"", "a", "A", "0", "-", "-a", "_", "_a", ":", "::1", ".", "..", ".a", "a.", "a..b", "a.b", "a.-b", "a-", "a_b", "a-b", "ü", "a b",
		"a/b", "a*", ">", "www.example.com", "WWW.example.com", "2001:db8::1", "a\n", "a\x00", "~", "!", "a@b~c",
		strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 253), strings.Repeat("a", 254), strings.Repeat("~", 512), strings.Repeat("~", 513),
	}
	validID := func(s string) error {
		r := events.Confirmation{ID: s, Run: events.Run{
			Check: events.Check{Host: "a", Test: "b"}, Plugin: "b", Timeout: events.Millis(time.Second),
		}}
		return r.Validate()
	}
	for schema, validate := range map[string]func(string) error{
		"Host": events.ValidateHost, "Test": events.ValidateTest, "Node": events.ValidateNode, "Id": validID,
	} {
		pattern, err := regexp.Compile(file[schema].Pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range names {
			fits := pattern.MatchString(s) && (file[schema].MaxLength == nil || len(s) <= *file[schema].MaxLength)
			if err := validate(s); fits != (err == nil) {
				t.Errorf("%s %.40q: by the pattern %t, by the code %v", schema, s, fits, err)
			}
		}
	}
}
