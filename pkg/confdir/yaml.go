package confdir

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

var bom = []byte("\xef\xbb\xbf")

// lines collects the problems of one file.
type lines struct {
	file     string
	problems Problems
}

func (l *lines) report(line int, message, remedy string) {
	switch n := len(l.problems); {
	case n < maxPerFile:
		l.problems = append(l.problems, Problem{File: l.file, Line: line, Message: message, Remedy: remedy})
	case n == maxPerFile:
		l.problems = append(l.problems, Problem{File: l.file, Message: "has more problems than these", Remedy: "see whether it is the right file"})
	}
}

// field is one "key: value" of a file.
type field struct {
	key  string
	line int
	list bool     // the value is a list
	vals []scalar // the list's values, or the one value
}

// scalar is one value as its author wrote it: 0x10 and 2222 stay as they are.
type scalar struct {
	text string
	line int
}

// fields reads a file of "key: value" lines, where a value is one scalar or a list of them. It reports what is not of
// that shape, and keys that are not known or come twice; the fields it returns are right as far as it can tell.
func (l *lines) fields(data []byte, known []string) []field {
	// With CRLF the library miscounts lines after a comment.
	data = bytes.ReplaceAll(bytes.TrimPrefix(data, bom), []byte("\r\n"), []byte("\n"))
	if line := notText(data); line > 0 {
		l.report(line, "holds bytes that are no text", "write it as UTF-8 without control characters")
		return nil
	}
	root, ok := l.parse(data)
	if !ok || root == nil {
		return nil
	}
	m, isMap := root.(*ast.MappingNode)
	if !isMap {
		l.report(lineOf(root), "want lines of the form key: value", "keys are "+strings.Join(known, ", "))
		return nil
	}
	var out []field
	first := map[string]int{}
	for _, kv := range m.Values {
		f := field{key: keyText(kv.Key), line: lineOf(kv.Key)}
		if at, twice := first[f.key]; twice {
			l.report(f.line, fmt.Sprintf("%s stands on line %d already", quoted(f.key), at), "keep one of the two")
			continue
		}
		first[f.key] = f.line
		if !slices.Contains(known, f.key) {
			remedy := "keys are " + strings.Join(known, ", ")
			if meant := Nearest(f.key, known); meant != "" {
				remedy = "did you mean " + meant + "?"
			}
			l.report(f.line, "unknown key "+quoted(f.key), remedy)
			continue
		}
		if l.value(&f, kv.Value) {
			out = append(out, f)
		}
	}
	return out
}

// parse returns the root of the only document, nil for an empty file.
func (l *lines) parse(data []byte) (root ast.Node, ok bool) {
	tokens := lexer.Tokenize(string(data))
	if line, why := tooMuch(tokens); line > 0 {
		l.report(line, why, "want lines of the form key: value, or key: [value, value]")
		return nil, false
	}
	// The parser has no word for a duplicate key that people would use; fields reports it.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, why := 0, err.Error()
		if se := (*yaml.SyntaxError)(nil); errors.As(err, &se) {
			why = se.Message
			if se.Token != nil {
				line = se.Token.Position.Line
			}
		}
		l.report(line, "not YAML: "+why, "look at brackets and indentation; a value with ': ' in it has to be in quotes")
		return nil, false
	}
	for i, doc := range file.Docs {
		if body := bodyOf(doc); body != nil {
			if _, directive := body.(*ast.DirectiveNode); directive || i > 0 {
				l.report(lineOf(body), "more than one document", "remove the lines that start with --- or %")
				return nil, false
			}
			root = body
		}
	}
	return root, true
}

// value fills in f.vals and tells whether the value has the shape of a setting.
func (l *lines) value(f *field, n ast.Node) bool {
	if seq, ok := n.(*ast.SequenceNode); ok {
		f.list = true
		for _, item := range seq.Values {
			s, ok := l.scalar(f, item)
			if !ok {
				return false
			}
			f.vals = append(f.vals, s)
		}
		return true
	}
	s, ok := l.scalar(f, n)
	f.vals = []scalar{s}
	return ok
}

func (l *lines) scalar(f *field, n ast.Node) (scalar, bool) {
	s := scalar{line: lineOf(n)}
	bad := func(message, remedy string) (scalar, bool) {
		l.report(s.line, f.key+": "+message, remedy)
		return scalar{}, false
	}
	switch n := n.(type) {
	case *ast.StringNode:
		s.text = n.Value
	case *ast.LiteralNode:
		s.text = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		s.text = n.GetToken().Value
	case *ast.NullNode:
		if f.list {
			return bad("the list has an empty entry", `remove it, or write "" or "null" in quotes`)
		}
		return bad("has no value", "write one, or remove the line")
	case *ast.AliasNode:
		return bad("a value that starts with * is an alias in YAML", `put it in quotes: "*..."`)
	case *ast.AnchorNode:
		return bad("a value that starts with & is an anchor in YAML", `put it in quotes: "&..."`)
	case *ast.TagNode:
		return bad("a value that starts with ! is a tag in YAML", `put it in quotes: "!..."`)
	case *ast.SequenceNode:
		return bad("a list in a list", "write [value, value]")
	default:
		return bad("want a value or a list of values, not further keys", "see the indentation; put a value with ': ' in quotes")
	}
	return s, true
}

// Limits of a file that is given to the parser, whose effort grows with the square of both. The largest file that says
// something is one with all the args, nodes and recipients that are allowed: 576 values, each with its dash or comma.
const (
	maxTokens = 4000
	maxDepth  = 8
)

// tooMuch returns the first line that is beyond those limits; 0 if there is none. Dashes and the like in one line are
// nested as brackets are.
func tooMuch(tokens token.Tokens) (line int, why string) {
	depth, inLine, count := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			inLine, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.CommentType:
			count--
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			inLine++
		}
		if count++; count > maxTokens {
			return line, "has more values than any file of settings needs"
		}
		if depth > maxDepth || inLine > maxDepth {
			return line, "nested deeper than any setting needs"
		}
	}
	return 0, ""
}

// notText returns the first line that holds invalid UTF-8 or a control character, 0 if there is none.
func notText(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t', r >= 0x7f && r < 0xa0:
			return line
		}
		data = data[size:]
	}
	return 0
}

// bodyOf returns a document's node, nil if it is empty.
func bodyOf(doc *ast.DocumentNode) ast.Node {
	if doc == nil || doc.Body == nil {
		return nil
	}
	switch doc.Body.(type) {
	case *ast.NullNode, *ast.CommentGroupNode:
		return nil
	}
	return doc.Body
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	if t := k.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

func lineOf(n ast.Node) int {
	if n == nil {
		return 0
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// quoted quotes a word from a file for a message, shortened.
func quoted(s string) string { return fmt.Sprintf("%q", clip(s)) }

// clip shortens a text from a file before it goes into a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
