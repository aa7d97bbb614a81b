package provenance

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// words are the typed values in what the person wrote: what stands there as a value of its own, whole. A piece of one is none ("13"
// in "June 13"), and a plain word is none either, since content that a third party wrote could name any of them.
type words struct {
	texts   map[string]bool   // exact
	address map[string]bool   // in small letters
	urls    map[string]string // their schemes, by all the rest
	number  map[string]bool   // canonical decimals, and whether it is an amount
	dates   map[string]bool   // YYYY-MM-DD
	times   map[string]bool   // HH:MM
}

// What is typed is compared with what is typed: the 13 of "June 13" is no number, a text is never looked for in another. Who names in an
// argument what the person named too is not told from the person, as long as the model could read it: what goes up untrusted
// is therefore shown to us (Shown), and its values are nobody's.

// minValue is how short a value may be that is neither quoted nor a name.
const minValue = 3

// The forms of values. Each takes all of a value: what stands next to a match is never one of its characters.
var (
	addressForm = regexp.MustCompile(`[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+`)
	urlForm     = regexp.MustCompile(`(?i:https?://|www\.)[^\s<>"'` + "`" + `\\^{}|]+`)
	tagForm     = regexp.MustCompile(`[#@]([\p{L}\p{N}][\p{L}\p{N}_-]*)`)
	quotedForm  = regexp.MustCompile("\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|‘([^’\n]{1,200})’|`([^`\n]{1,200})`")
	singleForm  = regexp.MustCompile(`(?:^|[\s(\[,;:])'([^'\n]{1,200})'(?:$|[\s)\],;:.?!])`)
	numberForm  = regexp.MustCompile(`\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?`)
	isoForm     = regexp.MustCompile(`(\d{4})-(\d{2})-(\d{2})`)
	monthForm   = regexp.MustCompile(`(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(\d{4}))?\b|\b(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?(?:,?\s+(\d{4}))?\b`)
	clockForm   = regexp.MustCompile(`(?i)\b(\d{1,2}):(\d{2})\s*(am|pm)?|\b(\d{1,2})\s*(am|pm)\b`)
	nameForm    = regexp.MustCompile(`\p{Lu}[\p{L}'’-]+(?:\s+\p{Lu}[\p{L}'’-]*\.?)*`)
	moneyBefore = regexp.MustCompile(`(?i)(?:[$€£¥]|\b(?:usd|eur|gbp|chf))\s?$`)
	moneyAfter  = regexp.MustCompile(`(?i)^\s?(?:[$€£¥]|(?:usd|eur|gbp|chf|dollars?|euros?|pounds?|francs?)\b)`)
	channelForm = regexp.MustCompile(`(?i)\b([\p{L}\p{N}][\p{L}\p{N}_-]{2,})\s+channel\b|\bchannels?\s+([\p{L}\p{N}][\p{L}\p{N}_-]{2,})\b`)
)

func newWords() *words {
	return &words{
		texts: map[string]bool{}, address: map[string]bool{}, urls: map[string]string{}, number: map[string]bool{}, dates: map[string]bool{}, times: map[string]bool{},
	}
}

// personOf reads what the person wrote in a request: the parts of the role user that are trusted.
func (h *History) personOf() *words {
	if h.person != nil {
		return h.person
	}
	h.keepPersonal()
	w := newWords()
	for _, text := range h.personal {
		w.read(text)
	}
	h.person = w
	return w
}

// maxPerson bounds how much of what the person wrote is read for values, the last of it.
const maxPerson = 64 << 10

func (w *words) read(text string) {
	for _, form := range []*regexp.Regexp{tagForm, quotedForm, singleForm, channelForm} {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			for _, s := range m[1:] {
				if s = strings.TrimSpace(s); long(s) {
					w.texts[s] = true
				}
			}
		}
	}
	for _, s := range urlForm.FindAllString(text, -1) {
		w.url(strings.TrimRight(s, ".,;:!?)]"))
	}
	for _, token := range strings.FieldsFunc(blank(text, urlForm), delimits) {
		w.token(token)
	}
	for _, at := range nameForm.FindAllStringIndex(text, -1) {
		w.names(text[at[0]:at[1]], begins(text[:at[0]]))
	}
	w.readNumbers(text)
	w.readTimes(text)
}

// long tells a value that is not so short that content could name it by chance.
func long(s string) bool {
	n := utf8.RuneCountInString(s)
	return n >= minValue && (digits(s) < n || n >= minID)
}

// delimits tells what stands between values.
func delimits(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("<>\"'“”‘’`(){}[],;|，。、；", r)
}

// token takes what stands between two delimiters, when it is a value and no word: an address, a host, a path, the name of a file, a code.
func (w *words) token(s string) {
	s = strings.TrimRight(s, ".:!?…*")
	if before, after, ok := strings.Cut(s, ":"); ok && !strings.HasPrefix(after, "//") && !strings.ContainsFunc(before, func(r rune) bool { return !unicode.IsLetter(r) }) {
		s = after // "To:bob@example.com"
	}
	switch at := addressForm.FindStringIndex(s); {
	case at != nil && at[0] == 0 && at[1] == len(s):
		w.address[strings.ToLower(s)] = true
	case utf8.RuneCountInString(s) <= minValue || !strings.ContainsFunc(s, unicode.IsLetter):
	case strings.ContainsAny(s, `/\.`):
		w.url(s)
	case isCode(s):
		w.texts[s] = true
	}
}

// url takes a URL, a host or a path.
func (w *words) url(s string) {
	w.texts[s] = true
	scheme, bare := splitURL(s)
	w.urls[bare] = scheme
}

// splitURL takes the scheme off a URL, and writes its host in small letters.
func splitURL(s string) (scheme, bare string) {
	scheme, bare, ok := strings.Cut(s, "://")
	if !ok {
		scheme, bare = "", s
	}
	host, path, _ := strings.Cut(bare, "/")
	bare = strings.ToLower(host)
	if path != "" {
		bare += "/" + path
	}
	return strings.ToLower(scheme), bare
}

// isCode tells a value from a word: digits and letters together, or parts joined by - or _, and not short.
func isCode(s string) bool {
	digits := strings.ContainsFunc(s, unicode.IsDigit)
	letters := strings.ContainsFunc(s, unicode.IsLetter)
	return len(s) >= 5 && (digits && letters || strings.ContainsAny(s, "_-"))
}

// alone tells that a match is not a piece of something longer.
func alone(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	after, size := utf8.DecodeRuneInString(text[end:])
	glue := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("@/\\_-=%&+", r)
	}
	if after == '.' { // of a sentence, or of a longer value
		next, _ := utf8.DecodeRuneInString(text[end+size:])
		return !glue(before) && before != '.' && (next == utf8.RuneError || unicode.IsSpace(next))
	}
	return !glue(before) && before != '.' && !glue(after)
}

// begins tells that a sentence begins behind a text, where every word has a capital.
func begins(before string) bool {
	before = strings.TrimRight(before, " \t\"'“‘(*-")
	return before == "" || strings.ContainsRune(".!?:\n", rune(before[len(before)-1]))
}

// names takes a run of capitalized words: the whole, each end of it, and each word. The word that a sentence begins with is no name
// by itself, and the name of a month or a day never is.
func (w *words) names(run string, begins bool) {
	parts := strings.Fields(run)
	for i := range parts {
		if whole := i == 0 && len(parts) > 1; whole || i > 0 {
			w.name(strings.Join(parts[i:], " "))
		}
		if i > 0 || !begins {
			w.name(parts[i])
		}
	}
}

func (w *words) name(s string) {
	s = strings.TrimRight(s, ".'’-")
	s = strings.TrimSuffix(strings.TrimSuffix(s, "'s"), "’s")
	if utf8.RuneCountInString(s) < minValue || slices.Contains(calendar, strings.ToLower(s)) {
		return
	}
	w.texts[s] = true
}

// calendar are words with a capital that name nobody.
var calendar = []string{
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "january", "february", "march", "april", "june", "july", "august",
	"september", "october", "november", "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
}

var dateTime = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2})(?::00(?:\.0+)?)?(?:Z|\+00:00)?)?$`)

// said tells whether a text is a value that the person wrote.
func (w *words) said(s string) bool {
	trimmed := strings.TrimSpace(s)
	if trimmed == "" {
		return false
	}
	if m := dateTime.FindStringSubmatch(trimmed); m != nil {
		day := w.dates[m[1]+"-"+m[2]+"-"+m[3]] || w.dates["*-"+m[2]+"-"+m[3]]
		return day && (m[4] == "" || w.times[m[4]])
	}
	if w.times[trimmed] || w.texts[trimmed] || w.texts[strings.TrimPrefix(strings.TrimPrefix(trimmed, "#"), "@")] {
		return true
	}
	if w.address[strings.ToLower(trimmed)] {
		return true
	}
	scheme, bare := splitURL(trimmed)
	if typed, ok := w.urls[bare]; ok && (typed == scheme || typed == "" || scheme == "") {
		return true
	}
	if n, ok := decimal(trimmed); ok && numberForm.FindString(trimmed) == trimmed {
		amount, said := w.number[n]
		return said && (amount || digits(trimmed) >= minID)
	}
	return false
}

// saidNumber tells whether a number of JSON is one that the person wrote.
func (w *words) saidNumber(raw string) bool {
	n, ok := decimal(raw)
	_, said := w.number[n]
	return ok && said && !strings.HasPrefix(raw, "-")
}
