package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/fake/provider"
	"github.com/yellowjack/yellowjack/internal/llm/translate"
)

// TestTalk holds that a conversation in each dialect is one that its API takes: the fake provider is asked in it, and what it answers
// is the next request's history, in which it finds the call's result.
func TestTalk(t *testing.T) {
	fake, err := provider.Start(provider.Config{Models: []string{"bench"}})
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	sizes := map[string]int{}
	for _, c := range crossings() {
		if c.translated() || c.Stream {
			continue
		}
		first, err := say(c.Client, "up", 7, turn{}, false)
		if err != nil || !json.Valid(first) || !strings.Contains(string(first), "Question 7") || !strings.Contains(string(first), toolName) {
			t.Errorf("%s: %s %v", c.Client, first, err)
		}
		asked := strings.Replace(string(first), "Compare quarters.", `call tool_0 {}\nsay One.`, 1)
		_, body := post(t, fake, strings.TrimPrefix(path(c.Client, "up", false), "/up"), asked)
		next, err := answered(c.Client, body)
		if err != nil {
			t.Fatalf("%s: %v", c.Client, err)
		}
		second, err := say(c.Client, "up", 7, next, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, body = post(t, fake, strings.TrimPrefix(path(c.Client, "up", false), "/up"), string(second)); !strings.Contains(string(body), "The tool answered: | north |") {
			t.Errorf("%s: to %s it answers %s", c.Client, second, body)
		}
		sizes[c.Client] = len(second)
		if _, err := answered(c.Client, []byte(`{}`)); err == nil {
			t.Errorf("%s: an answer without a call is one", c.Client)
		}
		if stream, err := say(c.Client, "up", 7, next, true); err != nil || path(c.Client, "up", true) == path(c.Client, "up", false) && !strings.Contains(string(stream), `"stream":true`) {
			t.Errorf("%s: a stream is asked for by %s %s", c.Client, path(c.Client, "up", true), stream)
		}
	}
	for d, n := range sizes {
		if n < sizes[translate.Chat]*3/4 || n > sizes[translate.Chat]*4/3 {
			t.Errorf("%s has %d bytes where chat has %d", d, n, sizes[translate.Chat])
		}
	}
}

func post(t *testing.T, fake *provider.Server, path, body string) (int, []byte) {
	t.Helper()
	resp, err := http.Post(fake.URL()+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

// TestDialectSummary holds the arithmetic: each is compared with chat in the same round, and a stream's beginning with that of the
// same client's own.
func TestDialectSummary(t *testing.T) {
	at := func(rates ...float64) (out []sample) {
		for _, r := range rates {
			out = append(out, sample{PerSec: r, CPU: 100 / r})
		}
		return out
	}
	r := summarizeDialects([]crossing{
		{Client: translate.Chat, Provider: translate.Chat, Stream: true, rounds: at(100, 1000, 10), firsts: []float64{1, 2, 4}},
		{Client: translate.Anthropic, Provider: translate.Anthropic, Stream: true, rounds: at(90, 800, 12), firsts: []float64{2, 2, 2}},
		{Client: translate.Anthropic, Provider: translate.Chat, Stream: true, rounds: at(60, 800, 5), firsts: []float64{2, 5, 3}},
	})
	if c := r.Crossings[2]; c.Rate != 0.6 || c.FirstTimes != 1.5 || c.First != 3 {
		t.Errorf("got %+v", c)
	}
	var text strings.Builder
	r.table(&text)
	for _, want := range []string{"| 0.90 (missed) | ≥ 0.95 |", "| 0.60 (missed) | ≥ 0.70 |", "| 1.50 (missed) | ≤ 1.20 |", "| 1.00 | ≥ 0.95 |"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in %s", want, &text)
		}
	}
}
