package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/issuer"
)

// TestReadAnswer holds that the client counts nothing as answered that is not a whole 200 with its tool call.
func TestReadAnswer(t *testing.T) {
	const good = `{"name":"tool_0"}`
	for _, c := range []struct {
		name, text, fails string
	}{
		{"a length", "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n" + good, ""},
		{"chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"name\":\r\n9\r\n\"tool_0\"}\r\n0\r\n\r\n", ""},
		{"no call", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "without its tool call"},
		{"a refusal", "HTTP/1.1 403 Forbidden\r\ncontent-length: 17\r\n\r\n" + good, "403"},
		{"cut off", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n" + good, "EOF"},
		{"chunks cut off", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"name\":", "EOF"},
		{"no end", "HTTP/1.1 200 OK\r\n\r\n" + good, "neither"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := bufio.NewReader(strings.NewReader(c.text + "rest"))
			if c.fails == "EOF" {
				in = bufio.NewReader(strings.NewReader(c.text))
			}
			_, err := readAnswer(in, true)
			if c.fails == "" {
				rest, _ := io.ReadAll(in)
				if err != nil || string(rest) != "rest" {
					t.Errorf("got %v, and %q is left", err, rest)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("got %v, want %s", err, c.fails)
			}
		})
	}
}

// TestLoad sends each request once, over several connections, and counts a connection that breaks.
func TestLoad(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan() && lines.Text() != "break"; {
					fmt.Fprint(c, "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\"tool_0\"")
				}
			}()
		}
	}()
	requests := [][]byte{[]byte("1\n"), []byte("2\n"), []byte("3\n"), []byte("4\n"), []byte("5\n")}
	out, err := load{addr: l.Addr().String(), requests: requests, conns: 2, once: true}.run()
	if err != nil || out.Requests != 5 || out.Errors != 0 || len(out.latencies) != 5 || out.percentile(1) < out.percentile(0.5) {
		t.Errorf("got %+v %v", out, err)
	}
	out, err = load{addr: l.Addr().String(), requests: append(requests, []byte("break\n")), conns: 1, length: time.Minute}.run()
	if err != nil || out.Requests != 5 || out.Errors != 1 || out.FirstFail == "" {
		t.Errorf("got %+v %v", out, err)
	}
}

// TestRequests holds that requests have the size that they are named for, and differ.
func TestRequests(t *testing.T) {
	idp, err := issuer.New(issuer.Config{URL: "http://issuer"})
	if err != nil {
		t.Fatal(err)
	}
	who, err := tokens(idp, 3, "user")
	if err != nil {
		t.Fatal(err)
	}
	for shape, size := range map[string]int{shape2k: 2 << 10, shape64k: 64 << 10} {
		seen := map[string]bool{}
		for i := range who {
			b, err := body(shape, 1, i, func(_ []byte, n int) (call, error) { return madeUp(i, n), nil })
			if err != nil || !json.Valid(b) || len(b) < size*9/10 || len(b) > size*11/10 {
				t.Errorf("%s: %d bytes, %v", shape, len(b), err)
			}
			seen[string(b)] = true
		}
		if len(seen) != len(who) {
			t.Errorf("%s: only %d differ", shape, len(seen))
		}
	}
}

// TestSummary holds the arithmetic: ratios are those of the same round.
func TestSummary(t *testing.T) {
	r := &results{RatiosToNoop: map[string]float64{}, CPURatiosToNoop: map[string]float64{}, OwnP50: map[string]int64{}}
	k := kind{Shape: shape2k, Tools: 1, Connections: 32}
	for _, round := range [][2]float64{{100, 90}, {1000, 500}, {10, 8}} {
		r.add(armNoop, k, sample{PerSec: round[0], CPU: 1})
		r.add(armYellowjack, k, sample{PerSec: round[1], CPU: 1.5, own: []int64{5, 1, 9}})
	}
	r.summarize()
	if r.RatiosToNoop[shape2k] != 0.8 || r.CPURatiosToNoop[shape2k] != 1.5 || r.OwnP50[shape2k] != 5 {
		t.Errorf("got %+v", r)
	}
	var text strings.Builder
	r.table(&text)
	if !strings.Contains(text.String(), "| 2k | 0.80 (missed) | ≥ 0.85 | 1.50 (missed) | ≤ 1.25 |") {
		t.Errorf("got %s", &text)
	}
}
