package translate

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yellowjack/yellowjack/internal/awsevent"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

// TestTranscripts plays testdata/*.txtar. The first line names the client's dialect and the provider's. "request" is what the client
// asks, and "upstream" what the provider is asked; "answer" what this answers whole, and "client" what the client gets; "stream" the
// same in events, and "events" what the client gets of them; "error" its error with status 400, and "refusal" the client's.
func TestTranscripts(t *testing.T) {
	txtest.Play(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) []txtar.File {
		first, _, _ := strings.Cut(string(ar.Comment), "\n")
		from, to, _ := strings.Cut(first, " ")
		streams := strings.Contains(string(ar.Comment), "\nstreams\n")
		out := []txtar.File{}
		add := func(name string, data []byte, err error) {
			if err != nil {
				data = []byte("error: " + err.Error())
			}
			out = append(out, txtar.File{Name: name, Data: data})
		}
		if in := txtest.Text(ar, "request"); in != "" {
			doc, err := Request(from, to, []byte(in), "m", streams)
			add("upstream", indented(doc), err)
		}
		var whole []byte
		if in := txtest.Text(ar, "answer"); in != "" {
			var err error
			whole, err = Whole(to, from, []byte(in), options)
			add("client", indented(whole), err)
		}
		if in := txtest.Text(ar, "stream"); in != "" {
			got, err := streamed(t, to, from, framed(t, to, in))
			if err != nil {
				got = append(got, "error: "+err.Error()...)
			}
			add("events", got, nil)
			if whole != nil && err == nil {
				same(t, from, whole, got)
			}
		}
		if in := txtest.Text(ar, "error"); in != "" {
			add("refusal", indented(Error(to, from, 400, []byte(in))), nil)
		}
		return out
	})
}

func indented(doc []byte) []byte {
	v := jsontext.Value(bytes.Clone(doc))
	if v.Indent(jsontext.WithIndent("  ")) != nil {
		return doc
	}
	return v
}

var options = Options{ID: "made_1", Model: "asked", Now: time.Unix(1700000000, 0), Usage: true} //nolint:gochecknoglobals // a constant in all but syntax

// streamed translates a stream at once.
func streamed(t *testing.T, from, to string, in []byte) ([]byte, error) {
	t.Helper()
	s, err := NewStream(from, to, options)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Write(nil, in)
	if err == nil {
		out, err = s.Close(out)
	}
	return out, err
}

// framed is a stream as it stands on the wire: of Bedrock each line of the transcript is a message, its type and its payload.
func framed(t tester, dialect, in string) []byte {
	t.Helper()
	if dialect != Bedrock {
		return []byte(in)
	}
	var out []byte
	for line := range strings.Lines(in) {
		name, payload, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			t.Fatalf("line %q", line)
		}
		header := awsevent.Text(":event-type", name)
		if exception, ok := strings.CutPrefix(name, "!"); ok {
			header = awsevent.Text(":exception-type", exception)
		}
		out = awsevent.Append(out, []awsevent.Header{header}, []byte(payload))
	}
	return out
}

// TestPairs: which pairs there are, and that no other is taken.
func TestPairs(t *testing.T) {
	all := []string{Chat, Responses, Anthropic, Gemini, Bedrock, "other", ""}
	listed := map[string]bool{}
	for _, p := range Pairs() {
		listed[p[0]+" "+p[1]] = true
	}
	for _, from := range all {
		for _, to := range all {
			can := Can(from, to)
			if can != listed[from+" "+to] {
				t.Errorf("%s %s", from, to)
			}
			_, err := NewStream(to, from, options)
			if (err == nil) != can {
				t.Errorf("%s %s: %v", from, to, err)
			}
			if !can {
				if _, err := Request(from, to, []byte(`{}`), "m", false); err == nil {
					t.Errorf("%s %s: a request", from, to)
				}
			}
		}
	}
	if len(listed) < 2 {
		t.Error(listed)
	}
}
