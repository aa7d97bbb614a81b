package openairesponses

import (
	"bytes"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Covers tells whether the arguments with which a call began say nothing that its arguments do not: each string in them is
// empty or stands there too. Where a call's arguments are a value of their own, it begins with some of them, or with none.
func Covers(arguments, began []byte) bool {
	if len(began) == 0 {
		return true
	}
	there := map[string]bool{"": true}
	if !eachString(arguments, func(s string) bool { there[s] = true; return true }) {
		return false
	}
	return eachString(began, func(s string) bool { return there[s] })
}

// eachString tells of every string in a value, the names too, until one is not taken. An error is as if it was not.
func eachString(value []byte, take func(s string) bool) bool {
	r := strictjson.NewReader(value, strictjson.Limits{})
	defer r.Close()
	taken := true
	var walk func() error
	walk = func() error {
		switch r.Kind() {
		case strictjson.Object:
			return r.Object(nil, func(m strictjson.Member) error {
				taken = taken && take(m.Name)
				return walk()
			})
		case strictjson.Array:
			return r.Array(func(int) error { return walk() })
		case strictjson.String:
			s, _, err := r.String()
			taken = taken && take(s)
			return err
		}
		_, err := r.Skip()
		return err
	}
	err := walk()
	return err == nil && taken
}

// Spoken tells whether what came in pieces of a call's arguments is what they are: the commands of a shell by their index;
// of a patch its diff, from the pieces and as a whole.
func Spoken(arguments []byte, commands map[int][]byte, diff, whole []byte) bool {
	if len(commands)+len(diff)+len(whole) == 0 {
		return true
	}
	r := strictjson.NewReader(arguments, strictjson.Limits{})
	defer r.Close()
	found, same := 0, true
	err := r.Object(nil, func(m strictjson.Member) error {
		switch {
		case m.Name == "commands" && r.Kind() == strictjson.Array:
			return r.Array(func(i int) error {
				text, _, err := r.Text(nil)
				if said, there := commands[i]; there {
					found++
					same = same && bytes.Equal(said, text)
				}
				return err
			})
		case m.Name == "diff" && r.Kind() == strictjson.String:
			text, _, err := r.Text(nil)
			for _, said := range [][]byte{diff, whole} {
				same = same && (len(said) == 0 || bytes.Equal(said, text))
			}
			diff, whole = nil, nil
			return err
		}
		return nil
	})
	return err == nil && same && found == len(commands) && len(diff)+len(whole) == 0
}
