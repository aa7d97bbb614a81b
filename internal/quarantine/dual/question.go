package dual

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Type is what an answer can be.
type Type string

// The types. The answer to a span or a rendering is content: only a reference may carry it on.
const (
	YesNo  Type = "yesno"
	Choice Type = "choice" // one of the options
	Which  Type = "which"  // one of the options, which are references
	Int    Type = "int"    // Min to Max
	Count  Type = "count"  // 0 to Max
	Date   Type = "date"   // Min to Max, in days since 1970-01-01
	Span   Type = "span"   // a piece of the content that matches Pattern
	Render Type = "render" // text for the person
)

// Question is one typed question about one piece of content.
type Question struct {
	ID       string // its author's name for it
	Ask      string
	Type     Type
	Options  []string
	Min, Max int64
	Pattern  string
	Ref      string // the reference that it is about; empty is the whole result
}

// Bounds of a question.
const (
	MaxOptions  = 16
	maxID       = 64   // bytes
	maxAsk      = 300  // bytes
	maxOption   = 64   // bytes
	maxPattern  = 256  // bytes
	maxSpan     = 256  // bytes of the content
	maxRender   = 4000 // bytes of the model
	maxCount    = 1_000_000
	maxInt      = 1 << 53 // what every reader of JSON agrees on
	refPrefix   = "$ref_"
	maxRefBytes = 64
)

// The dates that a question means when it says none: a fixed window, so that a question means the same tomorrow.
const (
	firstDay = 0     // 1970-01-01
	lastDay  = 36524 // 2069-12-31
	leastDay = -719162
	mostDay  = 2932896
)

// Days reads a date as Question's Min and Max have it.
func Days(date string) (int64, error) {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil || t.Format(time.DateOnly) != date || t.Year() < 1 {
		return 0, errors.New("dual: not a date such as 2026-03-01")
	}
	return t.Unix() / 86400, nil
}

func dateOf(days int64) string { return time.Unix(days*86400, 0).UTC().Format(time.DateOnly) }

// Bits is the information that the answer to a question can carry: the logarithm of all that can be answered and unknown.
// Of a span or a rendering an agent learns that there is one.
func (q Question) Bits() float64 {
	q = q.filled()
	switch q.Type {
	case YesNo:
		return math.Log2(3)
	case Choice, Which:
		return math.Log2(float64(len(q.Options)) + 1)
	case Int, Count, Date:
		return math.Log2(float64(q.Max) - float64(q.Min) + 2)
	}
	return 1
}

// filled puts a question's defaults in. A date without a last day ends with the window; one that ends with its first day
// begins before it.
func (q Question) filled() Question {
	switch {
	case q.Type == Count && q.Max == 0:
		q.Max = 100
	case q.Type == Date && q.Max == 0 && q.Min >= firstDay:
		q.Max = lastDay
	}
	return q
}

// Check says what is wrong with a question. What does not belong to its type must not be there.
func (q Question) Check() error {
	q = q.filled()
	hasOptions := q.Type == Choice || q.Type == Which
	hasRange := q.Type == Int || q.Type == Count || q.Type == Date
	switch {
	case len(q.ID) > maxID || !printable(q.ID):
		return errors.New("dual: the question's id is too long or does not print")
	case q.Ask == "" || len(q.Ask) > maxAsk || !printable(q.Ask):
		return fmt.Errorf("dual: a question is one line of at most %d bytes", maxAsk)
	case q.Ref != "" && !isRef(q.Ref):
		return errors.New("dual: the question is about no reference")
	case !hasOptions && len(q.Options) > 0:
		return fmt.Errorf("dual: a question of type %s has no options", q.Type)
	case !hasRange && (q.Min != 0 || q.Max != 0):
		return fmt.Errorf("dual: a question of type %s has no range", q.Type)
	case q.Type != Span && q.Pattern != "":
		return fmt.Errorf("dual: a question of type %s has no pattern", q.Type)
	}
	switch q.Type {
	case YesNo, Render:
		return nil
	case Choice, Which:
		return q.checkOptions()
	case Int:
		return q.checkRange(-maxInt, maxInt)
	case Count:
		return q.checkRange(0, maxCount)
	case Date:
		return q.checkRange(leastDay, mostDay)
	case Span:
		_, err := q.pattern()
		return err
	}
	return errors.New("dual: a question of an unknown type")
}

func (q Question) checkOptions() error {
	if len(q.Options) < 1 || len(q.Options) > MaxOptions {
		return fmt.Errorf("dual: a question has 1 to %d options", MaxOptions)
	}
	for i, o := range q.Options {
		switch {
		case o == "" || len(o) > maxOption || !printable(o) || strings.TrimSpace(o) != o:
			return fmt.Errorf("dual: an option is 1 to %d bytes that print", maxOption)
		case slices.Contains(q.Options[:i], o):
			return errors.New("dual: an option is there twice")
		case q.Type == Which && !isRef(o):
			return errors.New("dual: an option is no reference")
		case q.Type == Choice && strings.Contains(o, refPrefix):
			return errors.New("dual: an option of a choice is a reference")
		}
	}
	return nil
}

func (q Question) checkRange(least, most int64) error {
	if q.Min >= q.Max || q.Min < least || q.Max > most || q.Type == Count && q.Min != 0 {
		return errors.New("dual: a question's range is empty or too wide")
	}
	return nil
}

// pattern compiles a span's pattern so that it matches the whole span.
func (q Question) pattern() (*regexp.Regexp, error) {
	if q.Pattern == "" || len(q.Pattern) > maxPattern || !printable(q.Pattern) {
		return nil, fmt.Errorf("dual: a span has a pattern of 1 to %d bytes", maxPattern)
	}
	if _, err := regexp.Compile(q.Pattern); err != nil { // "a)|(b" would compile once it stands in a group
		return nil, errors.New("dual: a span's pattern does not compile")
	}
	re, err := regexp.Compile(`\A(?:` + q.Pattern + `)\z`)
	if err != nil {
		return nil, errors.New("dual: a span's pattern does not compile")
	}
	return re, nil
}

// isRef tells whether a text has a reference's shape; whether one was issued is not asked here.
func isRef(s string) bool {
	rest, ok := strings.CutPrefix(s, refPrefix)
	return ok && rest != "" && len(s) <= maxRefBytes && !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

// printable tells whether a text is one line that a person sees all of: no control, no invisible, no tag character.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}
