package project

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// decimal is a number as it was written: its digits and no more.
type decimal struct {
	negative bool
	whole    string // no leading zero but the only one
	fraction string // no trailing zero
}

// readDecimal reads a number without exponent.
func readDecimal(text string) (d decimal, ok bool) {
	if !isNumber(text) || strings.ContainsAny(text, "eE") {
		return d, false
	}
	text, d.negative = strings.CutPrefix(text, "-")
	d.whole, d.fraction, _ = strings.Cut(text, ".")
	d.fraction = strings.TrimRight(d.fraction, "0")
	if d.whole == "0" && d.fraction == "" {
		d.negative = false
	}
	return d, true
}

func (d decimal) String() string {
	text := d.whole
	if d.negative {
		text = "-" + text
	}
	if d.fraction != "" {
		text += "." + d.fraction
	}
	return text
}

// scaled is the number in units of its last decimal.
func (d decimal) scaled(decimals int) (int64, bool) {
	if len(d.fraction) > decimals || len(d.whole)+decimals > 18 {
		return 0, false
	}
	n, err := strconv.ParseInt(d.whole+d.fraction+strings.Repeat("0", decimals-len(d.fraction)), 10, 64)
	if d.negative {
		n = -n
	}
	return n, err == nil
}

// scaled is a bound in units of the last decimal.
func scaled(f float64, decimals int) (int64, bool) {
	n := math.Round(f * math.Pow10(decimals))
	if math.IsNaN(n) || math.Abs(n) > 1<<53 {
		return 0, false
	}
	return int64(n), true
}

// The digits that a number may have when no rule bounds it.
const (
	maxWhole    = 9
	maxFraction = 4
)

// digitsCost is what the digits cost, once their number is known: no leading zero before, no trailing one behind.
func (d decimal) digitsCost() budget.Bits {
	whole := 9 * math.Pow10(len(d.whole)-1)
	if len(d.whole) == 1 {
		whole = 10
	}
	cost := budget.OneOf(whole)
	if n := len(d.fraction); n > 0 {
		cost += budget.OneOf(9 * math.Pow10(n-1))
	}
	return cost
}

// moment is a date, a time, or both, as ISO 8601 writes them.
type moment struct {
	dated, timed         bool
	year, month, date    int
	hour, minute, second int
	zone                 zone
	quarters             int // of an hour from UTC
}

type zone int

const (
	noZone zone = iota
	utc
	offset
	zones
)

// maxQuarters is 14 hours, the farthest that a zone lies from UTC.
const maxQuarters = 14 * 4

// readMoment reads a date, a date and time, or a time. A fraction of a second is read over.
func readMoment(text string) (m moment, ok bool) {
	if len(text) > 40 {
		return m, false
	}
	if len(text) >= 10 && text[4] == '-' {
		day, err := time.Parse("2006-01-02", text[:10])
		if err != nil || day.Year() < 1 {
			return m, false
		}
		m.dated, m.year, m.month, m.date = true, day.Year(), int(day.Month()), day.Day()
		if text = text[10:]; text == "" {
			return m, true
		}
		if text[0] != 'T' && text[0] != ' ' && text[0] != 't' {
			return m, false
		}
		text = text[1:]
	}
	return m, m.clock(text)
}

func (m *moment) clock(text string) bool {
	if len(text) < 5 || text[2] != ':' {
		return false
	}
	m.timed = true
	var ok [3]bool
	m.hour, ok[0] = two(text, 23)
	m.minute, ok[1] = two(text[3:], 59)
	text, ok[2] = text[5:], true
	if strings.HasPrefix(text, ":") {
		if m.second, ok[2] = two(text[1:], 59); ok[2] {
			text = text[3:]
			if after, found := strings.CutPrefix(text, "."); found {
				text = strings.TrimLeft(after, "0123456789")
				ok[2] = len(text) < len(after)
			}
		}
	}
	return ok[0] && ok[1] && ok[2] && m.offset(strings.TrimPrefix(text, " "))
}

func (m *moment) offset(text string) bool {
	switch {
	case text == "":
		return true
	case text == "Z" || text == "z" || text == "UTC" || text == "+00:00" || text == "-00:00":
		m.zone = utc
		return true
	case len(text) != 6 || text[3] != ':' || text[0] != '+' && text[0] != '-':
		return false
	}
	hours, ok := two(text[1:], 14)
	minutes, fine := two(text[4:], 59)
	if !ok || !fine || minutes%15 != 0 {
		return false
	}
	if m.quarters = hours*4 + minutes/15; text[0] == '-' {
		m.quarters = -m.quarters
	}
	m.zone = offset
	return m.quarters <= maxQuarters && m.quarters >= -maxQuarters
}

// two reads two digits up to most.
func two(text string, most int) (int, bool) {
	if len(text) < 2 || text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9' {
		return 0, false
	}
	n := int(text[0]-'0')*10 + int(text[1]-'0')
	return n, n <= most
}

func (m moment) String() string {
	var b strings.Builder
	pad := func(n, width int) {
		s := strconv.Itoa(n)
		b.WriteString("0000"[:max(width-len(s), 0)] + s)
	}
	if m.dated {
		pad(m.year, 4)
		b.WriteByte('-')
		pad(m.month, 2)
		b.WriteByte('-')
		pad(m.date, 2)
	}
	if !m.timed {
		return b.String()
	}
	if m.dated {
		b.WriteByte('T')
	}
	pad(m.hour, 2)
	b.WriteByte(':')
	pad(m.minute, 2)
	b.WriteByte(':')
	pad(m.second, 2)
	switch m.zone {
	case utc:
		b.WriteByte('Z')
	case offset:
		b.WriteByte("+-"[min(max(-m.quarters, 0), 1)])
		q := max(m.quarters, -m.quarters)
		pad(q/4, 2)
		b.WriteByte(':')
		pad(q%4*15, 2)
	}
	return b.String()
}

// day counts the days since 1970.
func day(year int, month time.Month, date int) int64 {
	return time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
}

// day is the moment's day.
func (m moment) day() int64 { return day(m.year, time.Month(m.month), m.date) }
