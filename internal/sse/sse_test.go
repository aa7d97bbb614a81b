package sse

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// read feeds stream in the given cuts and renders what comes out.
func read(stream []byte, cuts []int, limit int) (string, error) {
	r := NewReader(limit)
	var out strings.Builder
	drain := func() error {
		for {
			e, ok, err := r.Next()
			if err != nil || !ok {
				return err
			}
			fmt.Fprintf(&out, "%q name=%q data=%q comment=%v has=%v%s\n", e.Raw, e.Name, e.Data, e.Comment, e.HasData, place(e))
		}
	}
	for len(stream) > 0 {
		n := len(stream)
		if len(cuts) > 0 {
			n, cuts = min(n, max(cuts[0], 1)), cuts[1:]
		}
		// A copy that is overwritten afterwards: the reader may not keep the chunk.
		chunk := bytes.Clone(stream[:n])
		r.Feed(chunk)
		for i := range chunk {
			chunk[i] = 'X'
		}
		stream = stream[n:]
		if err := drain(); err != nil {
			return out.String(), err
		}
	}
	if err := r.Close(); err != nil {
		return out.String(), err
	}
	err := drain()
	return out.String(), err
}

// place is what an event says of its place in the stream.
func place(e Event) string {
	out := ""
	if e.HasID {
		out += fmt.Sprintf(" id=%q", e.ID)
	}
	if e.Retry != "" {
		out += " retry=" + e.Retry
	}
	return out
}

func TestEvents(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "data: a\n\n", `"data: a\n\n" name="" data="a" comment=false has=true`},
		{"no space", "data:a\n\n", `"data:a\n\n" name="" data="a" comment=false has=true`},
		{"two spaces", "data:  a\n\n", `"data:  a\n\n" name="" data=" a" comment=false has=true`},
		{"no colon", "data\n\n", `"data\n\n" name="" data="" comment=false has=true`},
		{"crlf", "data: a\r\n\r\n", `"data: a\r\n\r\n" name="" data="a" comment=false has=true`},
		{"cr", "data: a\r\rdata: b\r\r", `"data: a\r\r" name="" data="a" comment=false has=true
"data: b\r\r" name="" data="b" comment=false has=true`},
		{"mixed", "data: a\r\ndata: b\n\r\n", `"data: a\r\ndata: b\n\r\n" name="" data="a\nb" comment=false has=true`},
		{"lines", "data: a\ndata:\ndata: c\n\n", `"data: a\ndata:\ndata: c\n\n" name="" data="a\n\nc" comment=false has=true`},
		{"two of lines", "data: a\ndata: b\n\ndata: c\ndata: d\n\n", `"data: a\ndata: b\n\n" name="" data="a\nb" comment=false has=true
"data: c\ndata: d\n\n" name="" data="c\nd" comment=false has=true`},
		{"comment", ": OPENROUTER PROCESSING\n\n", `": OPENROUTER PROCESSING\n\n" name="" data="" comment=true has=false`},
		{"comment and data", ": x\ndata: y\n\n", `": x\ndata: y\n\n" name="" data="y" comment=false has=true`},
		{"named", "event: a\nevent: b\nid: 1\nretry: 3\ndata: x\n\n", `"event: a\nevent: b\nid: 1\nretry: 3\ndata: x\n\n" name="b" data="x" comment=false has=true id="1" retry=3`},
		{"no data", "event: a\n\n", `"event: a\n\n" name="a" data="" comment=false has=false`},
		{"blank lines", "\n\ndata: a\n\n", `"\n" name="" data="" comment=true has=false
"\n" name="" data="" comment=true has=false
"data: a\n\n" name="" data="a" comment=false has=true`},
		{"mark", "\xef\xbb\xbfdata: a\n\n", `"data: a\n\n" name="" data="a" comment=false has=true`},
		{"separators in data", "data: a\u2028b\n\n", `"data: a\u2028b\n\n" name="" data="a\u2028b" comment=false has=true`},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for size := 1; size <= len(c.in)+1; size++ {
				got, err := read([]byte(c.in), every(size, len(c.in)), 1000)
				if err != nil || strings.TrimSuffix(got, "\n") != c.want {
					t.Fatalf("in pieces of %d: %v\n got %s\nwant %s", size, err, got, c.want)
				}
			}
		})
	}
}

func every(size, n int) (cuts []int) {
	for ; n > 0; n -= size {
		cuts = append(cuts, size)
	}
	return cuts
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"cut in a line", "data: a", ErrTruncated},
		{"cut before the blank line", "data: a\n", ErrTruncated},
		{"cut after CR", "data: a\r", ErrTruncated},
		{"half a mark", "\xef\xbb", ErrTruncated},
		{"second mark", "\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", ErrGrammar},
		{"utf8", "data: \xff\n\n", ErrUTF8},
		{"utf8 in a comment", ": \xc3\n\n", ErrUTF8},
		{"case", "Data: a\n\n", ErrGrammar},
		{"space before colon", "data : a\n\n", ErrGrammar},
		{"leading space", " data: a\n\n", ErrGrammar},
		{"unknown field", "date: a\n\n", ErrGrammar},
		{"bare JSON", "{\"error\":1}\n\n", ErrGrammar},
		{"form feed in a comment", ": a\fdata: b\n\n", ErrGrammar},
		{"line separator in a comment", ": a\u2028data: b\n\n", ErrGrammar},
		{"paragraph separator in a name", "event: a\u2029data: b\n\n", ErrGrammar},
		{"next line in an id", "id: a\u0085data: b\n\n", ErrGrammar},
		{"large", "data: " + strings.Repeat("x", 100) + "\n\n", ErrTooLarge},
		{"large and unfinished", "data: " + strings.Repeat("x", 100), ErrTooLarge},
		{"large in lines", strings.Repeat("data: x\n", 20) + "\n", ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			for size := 1; size <= len(c.in)+1; size++ {
				if _, err := read([]byte(c.in), every(size, len(c.in)), 100); !errors.Is(err, c.want) {
					t.Fatalf("in pieces of %d: %v, want %v", size, err, c.want)
				}
			}
		})
	}
}

func TestErrorsStick(t *testing.T) {
	r := NewReader(100)
	r.Feed([]byte("nope\n\n"))
	if _, _, err := r.Next(); !errors.Is(err, ErrGrammar) {
		t.Fatal(err)
	}
	r.Feed([]byte("data: a\n\n"))
	if _, ok, err := r.Next(); ok || !errors.Is(err, ErrGrammar) {
		t.Fatal(ok, err)
	}
	if err := r.Close(); !errors.Is(err, ErrGrammar) {
		t.Fatal(err)
	}
}

// An event is there as soon as its bytes are: nothing waits for the next one.
func TestEventIsNotLate(t *testing.T) {
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r\n", ": c\n\n"} {
		r := NewReader(100)
		r.Feed([]byte(in))
		if _, ok, err := r.Next(); !ok || err != nil {
			t.Errorf("%q: %v %v", in, ok, err)
		}
	}
}

func TestAppend(t *testing.T) {
	for got, want := range map[string]string{
		string(AppendData(nil, []byte(`{"a":1}`))):             "data: {\"a\":1}\n\n",
		string(AppendData(nil, []byte("a\nb\r\nc\rd"))):        "data: a\ndata: b\ndata: c\ndata: d\n\n",
		string(AppendEvent(nil, "error\nx", []byte("a"))):      "event: error x\ndata: a\n\n",
		string(AppendComment(nil, "a\n\ndata: b\u2028\r\x00")): ": a  data: b   \n\n",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What is appended reads back as one event with that data.
func TestAppendReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.String().Draw(t, "data")
		name := rapid.StringMatching(`[a-z._]{0,8}`).Draw(t, "name")
		stream := AppendEvent(AppendComment(nil, rapid.String().Draw(t, "comment")), name, []byte(data))
		want := strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n")
		r := NewReader(1 << 20)
		r.Feed(stream)
		if e, ok, err := r.Next(); !ok || err != nil || !e.Comment {
			t.Fatal(e, ok, err)
		}
		e, ok, err := r.Next()
		if !ok || err != nil || string(e.Data) != want || e.Name != name {
			t.Fatalf("%q %v %v, want %q", e.Data, ok, err, want)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzChunking: however a stream is cut, the same events and the same error come out, and Raw adds up to the stream.
func FuzzChunking(f *testing.F) {
	f.Add([]byte("data: a\n\n: c\r\n\r\nevent: x\rdata: b\r\r"), []byte{1, 2, 3})
	f.Add([]byte("\xef\xbb\xbfdata: a\r\n\r\n"), []byte{1})
	f.Add([]byte("data: \xf0\x9f\x98\x80\n\n"), []byte{8, 1, 1})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		whole, wholeErr := read(stream, nil, 64)
		cuts := make([]int, len(sizes))
		for i, s := range sizes {
			cuts[i] = int(s)
		}
		got, err := read(stream, cuts, 64)
		if got != whole || !errors.Is(err, wholeErr) {
			t.Fatalf("cut: %s %v\nwhole: %s %v", got, err, whole, wholeErr)
		}
		if wholeErr == nil {
			var all []byte
			r := NewReader(64)
			r.Feed(stream)
			for range 2 {
				for e, ok, _ := r.Next(); ok; e, ok, _ = r.Next() {
					all = append(all, e.Raw...)
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(all, bytes.TrimPrefix(stream, mark)) {
				t.Fatalf("raw %q of %q", all, stream)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	chunk := AppendData(nil, []byte(`{"id":"gen-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}`))
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	r := NewReader(1 << 20)
	for b.Loop() {
		r.Feed(chunk)
		if _, ok, err := r.Next(); !ok || err != nil {
			b.Fatal(err)
		}
	}
}
