package render

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Options say what harmless text may do.
type Options struct {
	Hosts []string // that links and images may point to, in lower case
	Max   int      // bytes of the text; what is beyond is left out (default 64 KiB)
	Line  bool     // the text stands in one line, such as a cell of a table
}

const (
	defaultMax = 64 << 10
	shortened  = " … ‹shortened›"
	maxHost    = 253
	maxTarget  = len("](https://") + maxHost + 3 // what has to be there to tell an address
	maxEntity  = 34
	maxBlank   = 2 // line breaks in a row
)

// Harmless makes a whole text harmless.
func Harmless(text string, o Options) string {
	f := NewFilter(o)
	return string(f.Close(f.Write(nil, []byte(text))))
}

// Filter makes a text in pieces harmless. It is for one goroutine.
type Filter struct {
	position
	options Options
	seen    visible
	held    []byte // visible text that is not decided yet
	left    int
	cut     bool // something was left out
	address bool // in an address of a listed host
	blanks  int  // line breaks in a row
}

// NewFilter makes a filter of one text, which begins a line.
func NewFilter(o Options) *Filter {
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	return &Filter{options: o, left: o.Max}
}

// Write takes the next piece and appends what is decided.
func (f *Filter) Write(dst, piece []byte) []byte {
	f.held = f.seen.write(f.held, piece)
	return f.drain(dst, false)
}

// Close says that the text has ended, and appends the rest.
func (f *Filter) Close(dst []byte) []byte {
	f.held = f.seen.close(f.held)
	dst = f.drain(dst, true)
	if f.cut {
		dst = append(dst, shortened...)
		f.cut = false
	}
	return dst
}

func (f *Filter) drain(dst []byte, final bool) []byte {
	at := 0
	for at < len(f.held) && (final || decidable(f.held[at:])) {
		r, size := utf8.DecodeRune(f.held[at:])
		if f.left -= size; f.left < 0 {
			f.cut, at = true, len(f.held)
			break
		}
		at += size
		dst = f.rune(dst, r, f.held[at:])
	}
	f.held = append(f.held[:0], f.held[at:]...)
	return dst
}

// decidable tells whether enough of the text is there to decide on its first character.
func decidable(b []byte) bool {
	need := 1
	switch c := b[0]; c {
	case '\\', '*', '_', '~', '<', '/', '-', '.':
		need = 1 + utf8.UTFMax
	case '&':
		need = maxEntity + 2
	case ':', ']', 'w', 'W':
		if need = 1 + utf8.UTFMax; len(b) >= need && mayLead(b) {
			need = maxTarget
		}
	}
	return len(b) >= need
}

// mayLead tells that an address may begin here.
func mayLead(b []byte) bool {
	return bytes.HasPrefix(b, []byte("://")) || bytes.HasPrefix(b, []byte("](")) || leadsWWW(b)
}

func leadsWWW(b []byte) bool { return len(b) >= 4 && strings.EqualFold(string(b[:4]), "www.") }

// rune appends one character, made harmless; after is what follows it.
func (f *Filter) rune(dst []byte, r rune, after []byte) []byte {
	if r == '\n' {
		return f.newline(dst)
	}
	f.blanks = 0
	if f.address = f.address && inAddress(r); f.address {
		f.step(r)
		return append(dst, byte(r))
	}
	next := rune(0)
	if len(after) > 0 {
		next, _ = utf8.DecodeRune(after)
	}
	f.address = f.leads(r, after)
	if f.escapes(r, next, after) {
		dst = append(dst, '\\')
	}
	dst = utf8.AppendRune(dst, r)
	if f.parts(r, next, after) {
		dst = append(dst, ' ')
	}
	f.step(r)
	return dst
}

func (f *Filter) newline(dst []byte) []byte {
	f.address = false
	f.step('\n')
	if f.options.Line {
		f.block = inLine
		return append(dst, ' ')
	}
	if f.blanks++; f.blanks > maxBlank {
		return dst
	}
	return append(dst, '\n')
}

// escapes tells whether a character needs a backslash before it, so as not to begin a block, emphasis or code.
func (f *Filter) escapes(r, next rune, after []byte) bool {
	start := f.block == lineStart
	switch r {
	case '`', '|':
		return true
	case '\\': // it would take the backslash that comes next, or whatever comes after the text
		return next == 0 || next == '\n' || next < utf8.RuneSelf && (unicode.IsPunct(next) || unicode.IsSymbol(next))
	case '*':
		return !isBlank(f.last) || !isBlank(next) || next == 0
	case '_':
		return (!isWord(f.last) || !isWord(next)) && (!isBlank(f.last) || !isBlank(next) || next == 0)
	case '~':
		return !isBlank(f.last) || !unicode.IsDigit(next) // about 5 stays ~5
	case '#', '>', '=':
		return start
	case '-':
		bullet := next == ' ' && len(after) > 1 && after[1] > ' ' && after[1] != '-'
		return start && !bullet
	case ':':
		return start && next == '-' // of a table
	}
	return false
}

// parts tells whether a blank has to stand behind a character, so that it makes no link, tag or entity with what follows.
func (f *Filter) parts(r, next rune, after []byte) bool {
	switch r {
	case ']':
		return next == '[' || next == ':' || next == '(' && !f.target(after[1:])
	case '/':
		return f.last == '/' && next != 0 && next != '/' && !isBlank(next)
	case '.':
		return f.is("www") && next != 0 && !isBlank(next)
	case '<':
		return next == 0 || next == '/' || next == '!' || next == '?' || next < utf8.RuneSelf && unicode.IsLetter(next)
	case '&':
		return isEntity(after)
	}
	return false
}

// leads tells whether the address of a listed host begins with what follows.
func (f *Filter) leads(r rune, after []byte) bool {
	switch r {
	case ':':
		rest, ok := bytes.CutPrefix(after, []byte("//"))
		return ok && (f.is("http") || f.is("https")) && f.listed(rest)
	case 'w', 'W':
		if isWord(f.last) || len(after) < 3 || !strings.EqualFold(string(after[:3]), "ww.") {
			return false
		}
		return f.listed(append([]byte{byte(r)}, after[:min(len(after), maxTarget)]...))
	}
	return false
}

// target tells whether a link's target is an address of a listed host.
func (f *Filter) target(b []byte) bool {
	for _, scheme := range []string{"https://", "http://"} {
		if rest, ok := bytes.CutPrefix(b, []byte(scheme)); ok {
			return f.listed(rest)
		}
	}
	return false
}

// listed tells whether b begins with a listed host, with no port, user or anything else that could make it another one.
func (f *Filter) listed(b []byte) bool {
	n := 0
	for n < len(b) && n <= maxHost && isHost(b[n]) {
		n++
	}
	if n > maxHost || n < len(b) && !strings.ContainsRune("/?#) \n\t", rune(b[n])) {
		// The end of a sentence is no part of the host, if a blank comes next.
		if n > maxHost || !strings.ContainsRune(",;!\"'", rune(b[n])) || n+1 < len(b) && !isBlank(rune(b[n+1])) {
			return false
		}
	}
	host := strings.TrimRight(string(b[:n]), ".") // in lower case only: some clients make a link of the lower part
	return host != "" && slices.Contains(f.options.Hosts, host)
}

func isHost(c byte) bool {
	return c == '.' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// inAddress are the characters that an address keeps as they are; none of them is anything to Markdown or HTML there.
func inAddress(r rune) bool {
	return r < utf8.RuneSelf && (isHost(byte(r)) || strings.ContainsRune("/:?#=%+_@&,;", r))
}

// isEntity tells whether what follows an ampersand makes an entity of it.
func isEntity(after []byte) bool {
	if len(after) == 0 || after[0] == '#' {
		return true
	}
	n := 0
	for n < len(after) && n < maxEntity && isHost(after[n]) && after[n] != '.' && after[n] != '-' {
		n++
	}
	return n > 0 && n < len(after) && after[n] == ';'
}
