package e2e

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/provider"
)

// TestUpstreamErrors: an upstream's own error is passed on, body and retry headers; what is no answer is a 502 in shape.
func TestUpstreamErrors(t *testing.T) {
	g := shared(t)
	who := sara(t)
	both(t, func(t *testing.T, stream bool) {
		t.Run("429", func(t *testing.T) {
			a := g.ask(t, chat{token: who, say: "status 429 retry-after 7 slow down", stream: stream})
			if a.status != 429 || a.header.Get("Retry-After") != "7" || !strings.Contains(a.body, `"slow down"`) || !strings.Contains(a.body, `"provider_name"`) {
				t.Errorf("got %d %v %s", a.status, a.header, a.body)
			}
			if a.header.Get("X-Yellowjack-Decision-Id") == "" {
				t.Error("no decision id")
			}
		})
		for _, status := range []int{400, 402, 403, 404, 408, 500, 502, 503, 529} {
			t.Run(fmt.Sprint(status), func(t *testing.T) {
				a := g.ask(t, chat{token: who, say: fmt.Sprintf("status %d as told", status), stream: stream})
				if a.status != status || !strings.Contains(a.body, "as told") {
					t.Errorf("got %d %s", a.status, a.body)
				}
			})
		}
		for name, say := range map[string]string{
			"a refused key of ours":  "status 401 elsewhere sk-abc***wxyz",
			"a redirect":             "redirect http://127.0.0.1:1/elsewhere",
			"nothing":                "empty 204",
			"an empty 200":           "empty 200",
			"HTML":                   "type text/html",
			"another charset":        "type application/json; charset=utf-16",
			"another type of stream": "type text/plain",
			"half of it":             `raw {"choices":[{"index":0,"message":`,
			"no completion":          `raw {"hello":"world"}`,
			"two names":              `raw {"choices":[],"choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}`,
			"an array":               `raw [1]`,
		} {
			t.Run(name, func(t *testing.T) {
				a := g.ask(t, chat{token: who, say: say, stream: stream})
				if a.status != 502 || a.fault.Code != "upstream_invalid" {
					t.Errorf("got %d %+v %s", a.status, a.fault, a.body)
				}
				if strings.Contains(a.header.Get("Location")+a.body, "elsewhere") {
					t.Error("the redirect was passed on")
				}
			})
		}
		t.Run("nobody there", func(t *testing.T) {
			a := g.ask(t, chat{token: who, model: "nobody/small", say: "hi", stream: stream})
			if a.status != 503 || a.fault.Code != "upstream_unavailable" {
				t.Errorf("got %d %+v %s", a.status, a.fault, a.body)
			}
		})
		t.Run("a reset without an answer", func(t *testing.T) {
			a := g.ask(t, chat{token: who, say: "reset", stream: stream})
			if a.status != 503 || a.fault.Code != "upstream_unavailable" {
				t.Errorf("got %d %+v %s", a.status, a.fault, a.body)
			}
		})
		t.Run("compressed although identity was asked", func(t *testing.T) {
			a := g.ask(t, chat{token: who, say: "say packed\ncall slack__post_message {\"text\":\"pwned\"}\ngzip", tools: storyTools, stream: stream})
			switch a.status {
			case 200: // read under a limit, and guarded
				if len(a.calls) != 0 || !strings.Contains(a.text[0], "packed") {
					t.Errorf("got %v %s", a.header, a.body)
				}
			case 502:
				if a.fault.Code != "upstream_invalid" {
					t.Errorf("got %+v", a.fault)
				}
			default:
				t.Errorf("got %d %s", a.status, a.body)
			}
		})
		t.Run("another model answers", func(t *testing.T) {
			a := g.ask(t, chat{token: who, model: "strict/small", say: "say hi\nanswered large", stream: stream})
			if a.fault.Code != "model_denied" || a.text[0] != "" {
				t.Errorf("got %d %s", a.status, a.body)
			}
			a = g.ask(t, chat{token: who, model: "strict/small", say: "say hi\nanswered small-2026-01-01", stream: stream})
			if a.text[0] != "hi" {
				t.Errorf("a version of the model asked for: %d %s", a.status, a.body)
			}
		})
	})
	t.Run("a reset in the middle of a whole answer", func(t *testing.T) {
		a := g.ask(t, chat{token: who, say: "say " + strings.Repeat("word ", 5000) + "\nbreak"})
		if a.err == nil && a.status == 200 {
			t.Errorf("got %d %.200s", a.status, a.body)
		}
	})
	t.Run("trailers", func(t *testing.T) {
		both(t, func(t *testing.T, stream bool) {
			if a := g.ask(t, chat{token: who, say: "say hi\ntrailers", stream: stream}); a.text[0] != "hi" || stream != a.done {
				t.Errorf("got %d %s", a.status, a.body)
			}
		})
	})
}

// TestStreamEnds: a stream that does not end well says so in-band, and never with [DONE] or with a finished call.
func TestStreamEnds(t *testing.T) {
	g := shared(t)
	const words = "say one two three\ncall snowflake__query {\"sql\":\"select 1\"}\n"
	for name, c := range map[string]struct{ say, code string }{
		"an end after the text":      {words + "truncate text", "upstream_invalid"},
		"an end within a call":       {words + "truncate call", "upstream_invalid"},
		"an error of the provider's": {words + "error 502 Overloaded", "502"},
		"events that are not JSON":   {"event {\"choices\":[", "upstream_invalid"},
		"a name twice in an event":   {`event {"id":"x","object":"chat.completion.chunk","choices":[],"choices":[]}`, "upstream_invalid"},
		"an event that is something": {`event {"hello":"world"}`, "upstream_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.ask(t, chat{token: sara(t), say: c.say, tools: storyTools, stream: true})
			if a.err != nil {
				t.Fatalf("the stream was cut: %v after %s", a.err, a.body)
			}
			if a.done || len(a.calls) != 0 || !strings.Contains(c.code, fmt.Sprint(a.fault.Code)) || a.fault.Message == "" {
				t.Errorf("done %v, calls %+v, fault %+v:\n%s", a.done, a.calls, a.fault, a.body)
			}
			if strings.HasPrefix(c.say, "say") && a.text[0] != "one two three" {
				t.Errorf("the text before it is %q", a.text[0])
			}
		})
	}
}

// TestStreamReset: Envoy resets the client's stream when the upstream resets its own, and the service has no say any more. The
// client must see that as the broken connection which it is: no end of the body, no [DONE], nothing of the held call.
func TestStreamReset(t *testing.T) {
	g := shared(t)
	a := g.ask(t, chat{
		token: sara(t), say: "say one two three\ncall snowflake__query {\"sql\":\"select 1\"}\npace 20ms\nbreak", tools: storyTools, stream: true,
	})
	if a.err == nil || a.done || len(a.calls) != 0 || a.text[0] != "one two three" {
		t.Errorf("err %v, done %v, calls %+v:\n%s", a.err, a.done, a.calls, a.body)
	}
	eventually(t, "the audit line", func() bool {
		line := lastLine(g.file("audit.jsonl"))
		return strings.Contains(line, `"decision":"cut"`) || strings.Contains(line, `"upstream_unavailable"`)
	})
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// TestCallShapes: every shape of a call is decided, in any chunking.
func TestCallShapes(t *testing.T) {
	g := shared(t)
	who := sara(t)
	const yes, no = `snowflake__query {"sql":"a long statement"}`, `slack__post_message {"text":"pwned"}`
	tools := storyTools
	for name, c := range map[string]struct {
		say   string
		more  object
		calls string // names, in the order of choices
		ends  string // finish reasons
	}{
		"parallel, interleaved":   {"call " + no + "\ncall " + yes + "\ncall " + yes, nil, "snowflake__query snowflake__query", "map[0:tool_calls]"},
		"one after the other":     {"sequential\ncall " + yes + "\ncall " + no, nil, "snowflake__query", "map[0:tool_calls]"},
		"byte by byte":            {"fragment 1\ncall " + no + "\ncall " + yes, nil, "snowflake__query", "map[0:tool_calls]"},
		"two choices":             {"call@0 " + no + "\ncall@1 " + yes, object{"n": 2}, "snowflake__query", "map[0:stop 1:tool_calls]"},
		"legacy":                  {"legacy " + yes, nil, "snowflake__query", "map[0:function_call]"},
		"legacy, refused":         {"legacy " + no, nil, "", "map[0:stop]"},
		"never offered":           {"call github__get_label {}", nil, "", "map[0:stop]"},
		"unknown":                 {"call rm__rf {}", nil, "", "map[0:stop]"},
		"arguments that are text": {"call snowflake__query please", nil, "", "map[0:stop]"},
		"arguments cut off":       {`call snowflake__query {"sql":"x`, nil, "", "map[0:stop]"},
		"a name twice":            {`call snowflake__query {"sql":"x","sql":"y"}`, nil, "", "map[0:stop]"},
		"no arguments":            {"call snowflake__query {}", nil, "snowflake__query", "map[0:tool_calls]"},
		"a custom tool":           {"custom slack__post_message pwned", nil, "", "map[0:stop]"},
		"comments between":        {"comments\ncrlf\ncall " + yes, nil, "snowflake__query", "map[0:tool_calls]"},
		"a finish that lies":      {"finish stop\ncall " + no, nil, "", "map[0:stop]"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, stream bool) {
				a := g.ask(t, chat{token: who, say: c.say, tools: tools, more: c.more, stream: stream})
				if a.status != 200 || a.names() != c.calls || fmt.Sprint(a.finish) != c.ends || strings.Contains(a.body, "pwned") || a.done != stream {
					t.Errorf("got %d, calls %q, finish %v (want %q, %s):\n%s", a.status, a.names(), a.finish, c.calls, c.ends, a.body)
				}
				for _, call := range a.calls {
					if call.name == "snowflake__query" && call.args != `{"sql":"a long statement"}` && call.args != "{}" {
						t.Errorf("arguments %q", call.args)
					}
				}
			})
		})
	}
}

// TestHeld: text is there at once; a call is held until it is complete, and comments keep the client's watchdog quiet.
func TestHeld(t *testing.T) {
	g := shared(t)
	began := time.Now()
	res, _, err := g.send(t.Context(), chat{token: sara(t), say: "say now\ncall snowflake__query {\"sql\":\"slow\"}\nhold 5s", tools: storyTools, stream: true})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var texts, comments, call time.Duration
	all := ""
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		all += lines.Text() + "\n"
		switch line := lines.Text(); {
		case strings.Contains(line, `"now"`):
			texts = time.Since(began)
		case strings.HasPrefix(line, ":") && texts > 0 && comments == 0:
			comments = time.Since(began)
		case strings.Contains(line, "snowflake__query"):
			call = time.Since(began)
		}
	}
	if lines.Err() != nil || texts == 0 || texts > 4*time.Second || comments <= texts || comments > 4900*time.Millisecond || call < 5*time.Second {
		t.Errorf("%v: the text came after %v, a comment after %v, the call after %v\n%s", lines.Err(), texts, comments, call, all)
	}
}

// TestClientGone: when the client goes away, so does the request to the provider.
func TestClientGone(t *testing.T) {
	g := shared(t)
	for name, say := range map[string]string{"before the answer": "hang", "in mid-stream": "say hello\nhang mid", "with a call held": "say hello\ncall snowflake__query {\"sql\":\"x\"}\nhold 1m"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := chat{token: sara(t), say: say, tools: storyTools, stream: true}
			if say == "hang" {
				body, mark := c.body()
				c.raw = body
				go func() {
					if res, _, err := g.send(ctx, c); err == nil {
						res.Body.Close()
					}
				}()
				await(t, func(r provider.Received) bool { return strings.Contains(r.Body, mark) })
				cancel()
				await(t, func(r provider.Received) bool { return strings.Contains(r.Body, mark) && r.Outcome == provider.Gone })
				return
			}
			res, mark, err := g.send(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			for lines := bufio.NewScanner(res.Body); lines.Scan(); {
				if strings.Contains(lines.Text(), "hello") {
					break
				}
			}
			cancel()
			await(t, func(r provider.Received) bool { return strings.Contains(r.Body, mark) && r.Outcome == provider.Gone })
		})
	}
}

// await waits for a request at the provider.
func await(t *testing.T, want func(provider.Received) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := theStage.upstream.Await(ctx, want); err != nil {
		t.Fatal(err)
	}
}

// TestDeadlines: each silence of the provider's has its end.
func TestDeadlines(t *testing.T) {
	g := own(t, setup{limits: "{response_wait: 1s, stream_idle: 1s, response_bytes: 64KiB, held_bytes: 4KiB, event_bytes: 8KiB, held_calls: 3, concurrent_per_principal: 2}"})
	who := sara(t)
	both(t, func(t *testing.T, stream bool) {
		g.ask(t, chat{token: who, say: "hang", stream: stream}).late(t, 504, "deadline")
	})
	t.Run("in mid-stream", func(t *testing.T) {
		a := g.ask(t, chat{token: who, say: "say hello\nhang mid", stream: true})
		if a.err != nil || a.text[0] != "hello" || a.fault.Code != "deadline" || a.done {
			t.Errorf("got %v %s", a.err, a.body)
		}
	})
	t.Run("within a call", func(t *testing.T) {
		a := g.ask(t, chat{token: who, say: "say hello\ncall snowflake__query {\"sql\":\"x\"}\nhold 1m", tools: storyTools, stream: true})
		if a.err != nil || a.text[0] != "hello" || a.fault.Code != "deadline" || a.done || len(a.calls) > 0 {
			t.Errorf("got %v %s", a.err, a.body)
		}
	})
	t.Run("a whole answer too large", func(t *testing.T) {
		a := g.ask(t, chat{token: who, say: "say " + strings.Repeat("x", 100<<10)})
		if a.status != 502 || a.fault.Code != "upstream_invalid" {
			t.Errorf("got %d %.300s", a.status, a.body)
		}
	})
	t.Run("a held call too large", func(t *testing.T) {
		a := g.ask(t, chat{token: who, say: "fragment 100\ncall snowflake__query {\"sql\":\"" + strings.Repeat("x", 10<<10) + "\"}", tools: storyTools, stream: true})
		if a.fault.Code == nil || a.done || len(a.calls) > 0 {
			t.Errorf("got %d %.300s", a.status, a.body)
		}
	})
	t.Run("a stream that goes on is not held up by the limits of one answer", func(t *testing.T) {
		a := g.ask(t, chat{token: who, say: "say " + strings.Repeat("x ", 100<<10) + "\nchunks 200", stream: true})
		if !a.done || len(a.text[0]) < 190<<10 {
			t.Errorf("got %d bytes, %+v", len(a.text[0]), a.fault)
		}
	})
	t.Run("too many at once", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 2 {
			res, _, err := g.send(ctx, chat{token: who, say: "say a b c\npace 300ms", stream: true})
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
		}
		g.ask(t, chat{token: who, say: "hi"}).refused(t, 429, "overloaded")
		if a := g.ask(t, chat{token: mona(t), say: "hi"}); a.status != 200 {
			t.Errorf("somebody else got %d %s", a.status, a.body)
		}
	})
}

// late is refused for requests that did reach the provider.
func (a answer) late(t *testing.T, status int, code string) {
	t.Helper()
	if a.err != nil || a.status != status || a.fault.Code != code {
		t.Errorf("got %v %d %+v %s", a.err, a.status, a.fault, a.body)
	}
}
