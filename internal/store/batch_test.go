package store

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestReplies: a reply of another shape is an error, and never reads as if there were nothing.
func TestReplies(t *testing.T) {
	reserve := func() *Reserve { return &Reserve{Counters: []Counter{{Key: "{a}c", TTL: time.Hour}}} }
	for name, c := range map[string]struct {
		op    Op
		reply any
		ok    bool
	}{
		"get, none":                {&Get{}, nil, true},
		"get":                      {&Get{}, "\x00\x00v", true},
		"get, too short":           {&Get{}, "\x00", false},
		"get, next too short":      {&Get{}, "\x00\x05v", false},
		"get, a number":            {&Get{}, int64(0), false},
		"get, an empty text":       {&Get{}, "", false},
		"get, an empty list":       {&Get{}, []any{}, false},
		"follow":                   {&Get{Follow: true}, []any{"\x00\x01nv", "\x00\x00f", []any{"s", "mx"}}, true},
		"follow, a bad member":     {&Get{Follow: true}, []any{"\x00\x01nv", nil, []any{""}}, false},
		"follow, members missing":  {&Get{Follow: true}, []any{"\x00\x01nv", nil, int64(1)}, false},
		"follow, followed too bad": {&Get{Follow: true}, []any{"\x00\x01nv", "f", []any{}}, false},
		"follow, a list":           {&Get{Follow: true}, []any{"\x00\x01nv", []any{}, nil}, false},
		"put":                      {&Put{}, int64(1), true},
		"put, nothing":             {&Put{}, nil, false},
		"put, two":                 {&Put{}, int64(2), false},
		"take, none":               {&Take{}, nil, true},
		"take, a number":           {&Take{}, int64(1), false},
		"take, too short":          {&Take{}, "v", false},
		"delete, a text":           {&Delete{}, "x", false},
		"union, nothing":           {&Union{}, nil, false},
		"members, none":            {&Members{}, []any{}, true},
		"members, nothing":         {&Members{}, nil, false},
		"members, a number":        {&Members{}, []any{int64(1)}, false},
		"reserve":                  {reserve(), []any{int64(1), int64(0), int64(5), int64(1000)}, true},
		"reserve, too few":         {reserve(), []any{int64(1), int64(0)}, false},
		"reserve, no total":        {reserve(), []any{int64(1), int64(0), nil, int64(1000)}, false},
		"reserve, no life":         {reserve(), []any{int64(1), int64(0), int64(5), "x"}, false},
		"reserve, maybe":           {reserve(), []any{nil, int64(0), int64(5), int64(1000)}, false},
		"lock, nothing":            {&Lock{}, nil, false},
		"owned, a list":            {&PutOwned{}, []any{}, false},
		"count":                    {&Incr{}, int64(7), true},
		"count, zero":              {&Incr{}, int64(0), false},
	} {
		if err := decode([]Op{c.op}, []any{c.reply}, newFloors()); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, reply := range []any{nil, int64(1), "OK", []any{}, []any{nil, nil}} {
		if decode([]Op{&Get{}}, reply, newFloors()) == nil {
			t.Errorf("%v is taken", reply)
		}
	}
}

// TestPack: what is packed is unpacked.
func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		next, value := rapid.StringN(0, 20, maxKey).Draw(t, "next"), rapid.SliceOf(rapid.Byte()).Draw(t, "value")
		n, v, err := unpack(string(pack(next, value)))
		if err != nil || n != next || string(v) != string(value) {
			t.Errorf("%q %q %v", n, v, err)
		}
	})
}
