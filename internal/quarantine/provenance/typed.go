package provenance

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// readNumbers takes numbers that stand alone and are no piece of a date or a time. A bare one needs four digits; an amount (behind or
// before the sign of a currency, with a fraction, or with its thousands apart) needs two.
func (w *words) readNumbers(text string) {
	text = blank(text, isoForm, monthForm, clockForm)
	for _, at := range numberForm.FindAllStringIndex(text, -1) {
		s := text[at[0]:at[1]]
		amount := strings.ContainsAny(s, ".,") || moneyBefore.MatchString(text[:at[0]]) || moneyAfter.MatchString(text[at[1]:])
		if !alone(text, at[0], at[1]) || digits(s) < 2 || !amount && digits(s) < minNumber {
			continue
		}
		if n, ok := decimal(strings.ReplaceAll(s, ",", "")); ok {
			w.number[n] = w.number[n] || amount
		}
	}
}

// Bounds of numbers: an id is a number too, and content could name any short one.
const (
	minNumber = 4 // digits, of a bare number
	minID     = 5 // of a bare one that stands in an argument as text
)

func digits(s string) int {
	n := 0
	for _, c := range s {
		if '0' <= c && c <= '9' {
			n++
		}
	}
	return n
}

// blank writes spaces over what has one of the forms.
func blank(text string, forms ...*regexp.Regexp) string {
	for _, form := range forms {
		text = form.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat(" ", len(s)) })
	}
	return text
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
