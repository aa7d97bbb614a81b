package render

import (
	"strings"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/quarantine/project"
	"github.com/yellowjack/yellowjack/internal/quarantine/ref"
)

// What stands in place of a reference that does not resolve; no bracket of it makes anything with what comes next.
const (
	notAvailable = "‹not available›"
	notHere      = "‹not shown here›"
)

// Config says how the text of one choice is rendered.
type Config struct {
	Lookup func(ref.Name) (ref.Entry, bool)
	Hosts  []string // that links and images in values may point to
	Max    int      // bytes of one value
	JSON   bool     // the text is a JSON document, with the references in its strings
	// Total bounds the values of the whole text (default 1 MiB); a model may repeat a reference as often as it likes.
	Total int
}

// Text resolves the references in an assistant's text as it streams. It is a llm.TextFilter, for one goroutine.
type Text struct {
	cfg     Config
	scanner ref.Scanner
	place   place
	left    int
	seen    map[ref.Name]bool
	used    []ref.Name
	values  bool // something stands in place of a reference
	onText  func([]byte)
	onName  func(ref.Name)
	dst     []byte
}

const defaultTotal = 1 << 20

// New makes the filter of one choice's text.
func New(c Config) *Text {
	if c.Total <= 0 {
		c.Total = defaultTotal
	}
	t := &Text{cfg: c, left: c.Total, seen: map[ref.Name]bool{}}
	t.onText, t.onName = t.text, t.name
	return t
}

// Write takes the next piece of the text and appends what goes on. It keeps back less than a reference.
func (t *Text) Write(dst, piece []byte) []byte {
	t.dst = dst
	t.scanner.Write(piece, t.onText, t.onName)
	dst, t.dst = t.dst, nil
	return dst
}

// Close appends what was kept back.
func (t *Text) Close(dst []byte) []byte {
	t.dst = dst
	t.scanner.Close(t.onText)
	dst, t.dst = t.dst, nil
	return dst
}

// Changed tells whether what came out is not what went in.
func (t *Text) Changed() bool { return t.values }

// Used are the references whose values were shown, each once.
func (t *Text) Used() []ref.Name { return t.used }

// text passes what the model wrote.
func (t *Text) text(b []byte) {
	t.dst = append(t.dst, b...)
	for _, c := range b {
		if t.cfg.JSON && c == '\\' {
			continue
		}
		t.place.step(c)
	}
}

// name puts in the value of a reference.
func (t *Text) name(n ref.Name) {
	t.values = true
	e, ok := ref.Entry{}, false
	if t.cfg.Lookup != nil {
		e, ok = t.cfg.Lookup(n)
	}
	switch {
	case !ok || t.left <= 0:
		t.put([]byte(notAvailable))
		return
	case t.place.leaks():
		t.put([]byte(notHere))
		return
	case e.Kind == project.Null:
		return
	}
	f := NewFilter(Options{Hosts: t.cfg.Hosts, Max: t.cfg.Max, Line: t.place.row && !t.cfg.JSON})
	f.position = t.place.position
	if t.cfg.JSON {
		f.position = position{}
	}
	if f.left > t.left {
		f.left = t.left
	}
	var value []byte
	if t.place.value { // two values in a row make no address or link together
		value = append(value, ' ')
	}
	value = f.Close(f.Write(value, []byte(strings.TrimSpace(e.Value))))
	t.left -= len(value)
	t.put(value)
	t.place.value = true
	if !t.seen[n] {
		t.seen[n] = true
		t.used = append(t.used, n)
	}
}

// put appends what stands in place of a reference.
func (t *Text) put(value []byte) {
	for _, c := range value {
		t.place.step(c)
	}
	if t.cfg.JSON {
		quoted := project.AppendString(nil, string(value))
		value = quoted[1 : len(quoted)-1]
	}
	t.dst = append(t.dst, value...)
}

// place is where in the model's text a reference stands.
type place struct {
	position
	row     bool // in a line of a table, or a heading
	address bool // in an address
	target  bool // in a link's target
	tag     bool // in an HTML tag
	define  bool // where the target of a link's definition would stand
	opens   bool // the line began with a bracket
	value   bool // right behind a value
	before  [2]byte
}

// leaks tells that a value here could become a part of an address, or of a tag.
func (p *place) leaks() bool { return p.address || p.target || p.tag || p.define }

// step notes a byte that was passed.
func (p *place) step(c byte) {
	one, two := p.before[1], p.before[0]
	p.value = false
	switch {
	case c == '\n':
		p.row, p.address, p.opens = false, false, false
		if one == '\n' {
			p.target, p.tag, p.define = false, false, false
		}
	case c == ' ' || c == '\t':
		p.address = false
	case c == '"' || c == '<' || c == '>':
		p.address = false
	}
	switch {
	case c == '|' || c == '#' && p.block == lineStart:
		p.row = true
	case c == '[' && p.block == lineStart:
		p.opens = true
	}
	switch {
	case c == '/' && one == '/' && two == ':', c == '.' && p.is("www"):
		p.address = true
	case c == '(' && one == ']':
		p.target = true
	case c == ')':
		p.target = false
	case c == '>':
		p.tag = false
	case one == '<' && (c == '/' || c == '!' || c == '?' || 'a' <= c|0x20 && c|0x20 <= 'z'):
		p.tag = true
	}
	switch {
	case c == ':' && one == ']' && p.opens:
		p.define = true
	case c != ' ' && c != '\t' && c != '\n':
		p.define = false
	}
	p.before = [2]byte{one, c}
	if c < utf8.RuneSelf {
		p.position.step(rune(c))
	} else {
		p.position.step(utf8.RuneError) // a letter or not: nothing depends on which
	}
}
