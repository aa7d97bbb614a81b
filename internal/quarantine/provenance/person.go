package provenance

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
)

// words are the typed values in what the person wrote: what stands there as a value of its own, whole. A piece of one is none ("13"
// in "June 13"), and a plain word is none either, since content that a third party wrote could name any of them.
type words struct {
	texts  map[string]bool // exact
	folded map[string]bool // addresses and hosts, which have no case
	number map[string]bool // canonical decimals
	dates  map[string]bool // YYYY-MM-DD
	times  map[string]bool // HH:MM
}

// minValue is how short a value may be that is neither quoted nor a name.
const minValue = 3

// The forms of values. Each takes all of a value: what stands next to a match is never one of its characters.
var (
	addressForm = regexp.MustCompile(`[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+`)
	urlForm     = regexp.MustCompile(`(?:https?://|www\.)[^\s<>"'` + "`" + `\\^{}|]+`)
	hostForm    = regexp.MustCompile(`[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}(?:/[^\s<>"'` + "`" + `\\^{}|]*)?`)
	pathForm    = regexp.MustCompile(`(?:[\w.~-]*/)+[\w.-]+|[\w-]+(?:\.[\w-]+)*\.[A-Za-z][A-Za-z0-9]{1,4}`)
	codeForm    = regexp.MustCompile(`[\p{L}\p{N}]+(?:[-_][\p{L}\p{N}]+)*`)
	tagForm     = regexp.MustCompile(`[#@]([\p{L}\p{N}][\p{L}\p{N}_-]*)`)
	quotedForm  = regexp.MustCompile("\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|‘([^’\n]{1,200})’|`([^`\n]{1,200})`")
	singleForm  = regexp.MustCompile(`(?:^|[\s(\[,;:])'([^'\n]{1,200})'(?:$|[\s)\],;:.?!])`)
	numberForm  = regexp.MustCompile(`\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?`)
	isoForm     = regexp.MustCompile(`(\d{4})-(\d{2})-(\d{2})`)
	monthForm   = regexp.MustCompile(`(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(\d{4}))?\b|\b(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?(?:,?\s+(\d{4}))?\b`)
	clockForm   = regexp.MustCompile(`(?i)\b(\d{1,2}):(\d{2})\s*(am|pm)?|\b(\d{1,2})\s*(am|pm)\b`)
	nameForm    = regexp.MustCompile(`\p{Lu}[\p{L}'’-]+(?:\s+\p{Lu}[\p{L}'’-]*\.?)*`)
	channelForm = regexp.MustCompile(`(?i)\b([\p{L}\p{N}][\p{L}\p{N}_-]{2,})\s+channel\b|\bchannels?\s+([\p{L}\p{N}][\p{L}\p{N}_-]{2,})\b`)
)

// personOf reads what the person wrote in a request: the parts of the role user that are trusted.
func (h *History) personOf() *words {
	if h.person != nil {
		return h.person
	}
	w := &words{texts: map[string]bool{}, folded: map[string]bool{}, number: map[string]bool{}, dates: map[string]bool{}, times: map[string]bool{}}
	for i, p := range h.request.Parts {
		if p.Kind == llm.TextPart && p.Role == "user" && h.Parts[i].Label.Integrity == label.Trusted && !h.Parts[i].Result {
			w.read(string(h.request.Text(p)))
		}
	}
	h.person = w
	return w
}

// maxPerson bounds how much of a text is read for values.
const maxPerson = 64 << 10

func (w *words) read(text string) {
	if len(text) > maxPerson {
		text = text[:maxPerson]
	}
	each := func(form *regexp.Regexp, take func(match string)) {
		for _, at := range form.FindAllStringIndex(text, -1) {
			take(text[at[0]:at[1]])
		}
	}
	each(addressForm, func(s string) { w.folded[strings.ToLower(strings.TrimRight(s, ".-"))] = true })
	each(urlForm, func(s string) { w.url(s) })
	each(hostForm, func(s string) { w.url(s) })
	each(pathForm, func(s string) { w.texts[s] = true })
	for _, form := range []*regexp.Regexp{tagForm, quotedForm, singleForm, channelForm} {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			for _, s := range m[1:] {
				if s = strings.TrimSpace(s); s != "" {
					w.texts[s] = true
				}
			}
		}
	}
	for _, at := range codeForm.FindAllStringIndex(text, -1) {
		if s := text[at[0]:at[1]]; isCode(s) && alone(text, at[0], at[1]) {
			w.texts[s] = true
		}
	}
	for _, at := range nameForm.FindAllStringIndex(text, -1) {
		w.names(text[at[0]:at[1]], begins(text[:at[0]]))
	}
	w.readNumbers(text)
	w.readTimes(text)
}

// url takes a URL or a host, with and without what a sentence ends with and what a URL may be written without.
func (w *words) url(s string) {
	s = strings.TrimRight(s, ".,;:!?)]")
	w.texts[s] = true
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://"), "/")
	w.folded[strings.ToLower(bare)] = true
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

// readNumbers takes numbers that stand alone and are not short: three digits, or a fraction, or behind the sign of a currency.
func (w *words) readNumbers(text string) {
	for _, at := range numberForm.FindAllStringIndex(text, -1) {
		s := text[at[0]:at[1]]
		money := at[0] > 0 && (text[at[0]-1] == '$' || strings.HasSuffix(text[:at[0]], "€") || strings.HasSuffix(text[:at[0]], "£"))
		digits := len(strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, s))
		if alone(text, at[0], at[1]) && (money || digits >= minValue) {
			if n, ok := decimal(strings.ReplaceAll(s, ",", "")); ok {
				w.number[n] = true
			}
		}
	}
}

// decimal is the one way to write a number.
func decimal(s string) (string, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f > 1e15 || f < -1e15 {
		return "", false
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}

var monthNames = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// readTimes takes dates and times of day; a date without its year is one of any year.
func (w *words) readTimes(text string) {
	for _, m := range isoForm.FindAllString(text, -1) {
		w.dates[m] = true
	}
	for _, m := range monthForm.FindAllStringSubmatch(text, -1) {
		month, day, year := m[1], m[2], m[3]
		if month == "" {
			day, month, year = m[4], m[5], m[6]
		}
		n := slices.Index(monthNames, strings.ToLower(month)) + 1
		if year == "" {
			year = "*"
		}
		w.dates[year+"-"+two(strconv.Itoa(n))+"-"+two(day)] = true
	}
	for _, m := range clockForm.FindAllStringSubmatch(text, -1) {
		hour, minute, half := m[1], m[2], m[3]
		if hour == "" {
			hour, minute, half = m[4], "00", m[5]
		}
		n, _ := strconv.Atoi(hour)
		switch strings.ToLower(half) {
		case "pm":
			if n < 12 {
				n += 12
			}
		case "am":
			n %= 12
		}
		w.times[two(strconv.Itoa(n))+":"+minute] = true
	}
}

func two(s string) string {
	if len(s) == 1 {
		return "0" + s
	}
	return s
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
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(trimmed, "https://"), "http://"), "/")
	if strings.ContainsAny(bare, ".@") && w.folded[strings.ToLower(bare)] {
		return true
	}
	if n, ok := decimal(trimmed); ok && numberForm.FindString(trimmed) == trimmed {
		return w.number[n]
	}
	return false
}

// saidNumber tells whether a number of JSON is one that the person wrote.
func (w *words) saidNumber(raw string) bool {
	n, ok := decimal(raw)
	return ok && w.number[strings.TrimPrefix(n, "-")] && !strings.HasPrefix(n, "-")
}

// Shrink lets go of the request, once nothing more is asked about its parts; with words it keeps what the person wrote.
func (h *History) Shrink(words bool) {
	if words {
		h.personOf()
	}
	h.Spoken()
	h.request, h.prints, h.found, h.Turns = nil, nil, found{}, nil
}
