package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestRecorded holds that the same is said in each dialect, in as many pieces.
func TestRecorded(t *testing.T) {
	all, err := record()
	if err != nil {
		t.Fatal(err)
	}
	wholes, streams := 0, 0
	for path, r := range all {
		wholes, streams = wholes+len(r.whole), streams+len(r.streams)
		for v, answer := range r.whole {
			if text := string(answer); !strings.Contains(text, "word0 word1 ") || !strings.Contains(text, " word249") || !strings.Contains(text, strings.Repeat("x", v)) {
				t.Errorf("%s %d: %s", path, v, answer)
			}
		}
		for v, pieces := range r.streams {
			if len(pieces) < streamWords+2 || len(pieces) > streamWords+20 {
				t.Errorf("%s: %d pieces", path, len(pieces))
			}
			text := bytes.Join(pieces, nil)
			if !bytes.HasPrefix(text, []byte("HTTP/1.1 200 OK\r\n")) || !bytes.HasSuffix(text, []byte("\r\n0\r\n\r\n")) || !bytes.Contains(text, []byte("word39")) {
				t.Errorf("%s %d: %s", path, v, text)
			}
		}
	}
	if len(all) != len(operations) || wholes != 5*variants || streams != 5*variants {
		t.Errorf("%d operations with %d and %d answers", len(all), wholes, streams)
	}
}
