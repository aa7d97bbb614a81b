package project

import (
	"unicode"
	"unicode/utf8"

	"github.com/yellowjack/yellowjack/internal/quarantine/budget"
)

// scalar is the choice for what is no list and no object; a value that is one, or does not keep to its rule, is none.
func scalar(v *Value, s *spot) choice {
	switch {
	case v.Kind == Null:
		return choice{form: asNull, literal: []byte("null")}
	case s.field == nil:
		return untyped(v, s)
	case v.Kind == List || v.Kind == Object:
		return choice{}
	}
	return typed(v, s, s.field)
}

// untyped is the choice where no rule says what the value is.
func untyped(v *Value, s *spot) choice {
	switch v.Kind {
	case Bool:
		return choice{form: asBool, cost: budget.Bit, literal: []byte(v.Text)}
	case Number:
		c := choice{form: asNumber}
		if d, ok := readDecimal(v.Text); ok && c.number(d, s, maxFraction) {
			c.literal = []byte(d.String())
			return c
		}
	case String:
		if v.Text == "" {
			return choice{form: asEmpty, literal: []byte(`""`)}
		}
		c := choice{form: asMoment}
		if m, ok := readMoment(v.Text); ok && c.moment(m, s, s.p.dates) {
			c.literal = AppendString(nil, m.String())
			return c
		}
	}
	return choice{}
}

// typed is the choice for a scalar that a rule types.
func typed(v *Value, s *spot, f *field) (c choice) {
	c.form = asPlain
	text, ok := v.Text, false
	switch f.kind {
	case TypeBool:
		ok = v.Kind == Bool || text == "true" || text == "false"
		c.cost, c.literal = f.cost, []byte(text)
	case TypeInt, TypeNumber:
		d, is := readDecimal(text)
		if v.Kind == String {
			c.form, is = asQuoted, is && d.String() == text
		}
		if ok = is && c.bounded(d, s, f); ok {
			c.literal = []byte(d.String())
			if c.form == asQuoted {
				c.literal = AppendString(nil, d.String())
			}
		}
	case TypeDate, TypeDateTime, TypeTime:
		m, is := readMoment(text)
		switch {
		case f.kind == TypeDate:
			m.timed = false
			ok = is && m.dated && c.date(m, f)
		case f.kind == TypeTime:
			if ok = is && m.timed && !m.dated; ok {
				c.clock(m, s)
			}
		default:
			ok = is && m.dated && c.moment(m, s, f)
		}
		c.literal = AppendString(nil, m.String())
	case TypeEnum:
		ok = f.enum[text]
		c.cost, c.literal = f.cost, AppendString(nil, text)
	case TypePattern:
		ok = utf8.RuneCountInString(text) <= f.maxLen && visible(text) && !looksLikeReference(text) && f.pattern.MatchString(text)
		c.cost, c.literal = f.cost, AppendString(nil, text)
	}
	if !ok {
		return choice{}
	}
	c.cost = max(c.cost, f.floor)
	return c
}

// visible tells that nothing in a text is hidden from a person who reads it.
func visible(text string) bool {
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func (c *choice) bounded(d decimal, s *spot, f *field) bool {
	if !f.bounded {
		return c.number(d, s, f.decimals)
	}
	n, ok := d.scaled(f.decimals)
	c.cost += f.cost
	return ok && n >= f.least && n <= f.most
}

// number is a number that no rule bounds: its sign, how many digits it has, and the digits.
func (c *choice) number(d decimal, s *spot, decimals int) bool {
	if len(d.whole) > maxWhole || len(d.fraction) > min(decimals, maxFraction) {
		return false
	}
	negative := 0
	if d.negative {
		negative = 1
	}
	c.take(&s.sign, negative)
	c.take(&s.whole, len(d.whole)-1)
	if decimals > 0 {
		c.take(&s.fraction, len(d.fraction))
	}
	c.cost += d.digitsCost()
	return true
}

// moment is a date, a time or both, whichever it is.
func (c *choice) moment(m moment, s *spot, f *field) bool {
	switch {
	case m.dated && m.timed:
		c.take(&s.parts, 0)
		c.clock(m, s)
		return c.date(m, f)
	case m.dated:
		c.take(&s.parts, 1)
		return c.date(m, f)
	case !s.parts.can(2):
		return false
	}
	c.take(&s.parts, 2)
	c.clock(m, s)
	return true
}

func (c *choice) date(m moment, f *field) bool {
	c.cost += budget.OneOf(float64(f.days))
	n := m.day() - f.firstDay
	return n >= 0 && n < f.days
}

func (c *choice) clock(m moment, s *spot) {
	c.cost += budget.OneOf(24 * 60)
	if m.second == 0 {
		c.take(&s.seconds, 0)
	} else {
		c.take(&s.seconds, 1)
		c.cost += budget.OneOf(59)
	}
	c.take(&s.timeZone, int(m.zone))
	if m.zone == offset {
		c.cost += budget.OneOf(2*maxQuarters + 1)
	}
}
