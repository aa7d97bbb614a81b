// Command provider is the benchmark's upstream: it answers Chat Completions, or with -dialects every API that a provider may speak, as
// cheaply as it can, since it shares the machine with what is measured.
//
// It reads HTTP/1.1 from bare connections, and all its answers are made beforehand: a whole answer of about 2 KB with
// one tool call, and a stream of 50 events with one tool call, sent an event at a time.
// Each comes in many variants whose arguments differ. A request for a stream says so in its body, or its path.
// With -dialects the answers are those of the fake provider, recorded at the start (recorded.go): one content in each dialect.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	variants = 64
	events   = 50
)

func main() {
	addr := flag.String("listen", "127.0.0.1:0", "`address` to listen on; it is printed when it is there")
	pace := flag.Duration("pace", 250*time.Microsecond, "between the events of a stream")
	all := flag.Bool("dialects", false, "answer in every dialect, with the same content")
	flag.Parse()
	s := &server{answers: map[string]recorded{"": {wholes(), streams()}}, pace: *pace}
	if *all {
		var err error
		if s.answers, err = record(); err != nil {
			fmt.Fprintln(os.Stderr, "provider:", err)
			os.Exit(1)
		}
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "provider:", err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "provider:", err)
			os.Exit(1)
		}
		go s.serve(conn)
	}
}

type server struct {
	answers map[string]recorded // by path; those of "" answer any
	pace    time.Duration
	next    atomic.Uint64
}

// serve answers what comes on one connection.
func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 128<<10)
	body := make([]byte, 0, 128<<10)
	for {
		path, length, err := readHead(in)
		if err != nil {
			return
		}
		body = body[:length]
		if _, err := readFull(in, body); err != nil {
			return
		}
		n := s.next.Add(1) % variants
		answers, known := s.answers[path]
		if !known {
			answers, known = s.answers[""]
		}
		if !known {
			fmt.Fprintln(os.Stderr, "provider: there is nothing at", path)
			return
		}
		if answers.whole != nil && (answers.streams == nil || !bytes.Contains(body, []byte(`"stream":true`))) {
			if _, err := conn.Write(answers.whole[n]); err != nil {
				return
			}
			continue
		}
		for _, event := range answers.streams[n] {
			if _, err := conn.Write(event); err != nil {
				return
			}
			if s.pace > 0 {
				time.Sleep(s.pace)
			}
		}
	}
}

func readFull(in *bufio.Reader, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m, err := in.Read(b[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readHead reads a request's head and returns its path and how long its body is.
func readHead(in *bufio.Reader) (path string, length int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return "", 0, err
	}
	_, target, _ := strings.Cut(string(line), " ")
	target, _, _ = strings.Cut(target, " ")
	path, _, _ = strings.Cut(target, "?")
	length = -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return "", 0, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return "", 0, err
			}
		}
	}
	if length < 0 || length > 128<<10 {
		fmt.Fprintln(os.Stderr, "provider: a request without a content-length, or one too long:", length)
		return "", 0, strconv.ErrRange
	}
	return path, length, nil
}

// arguments differ from variant to variant, in value and in length.
func arguments(variant int) string {
	return fmt.Sprintf(`{"statement":"select region, sum(amount) from sales where quarter = %d and region <> '%s' group by 1","limit":%d}`,
		variant%4, strings.Repeat("x", variant), variant*10)
}

func text(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings in maps
	}
	return b
}

type object = map[string]any

var usage = object{"prompt_tokens": 500, "completion_tokens": 60, "total_tokens": 560, "cost": 0.00021}

// wholes makes the answers that come at once.
func wholes() [][]byte {
	var out [][]byte
	for v := range variants {
		body := text(object{
			"id": fmt.Sprintf("gen-%d", v), "object": "chat.completion", "created": 1700000000, "model": "bench", "provider": "Fake",
			"choices": []object{{
				"index": 0, "finish_reason": "tool_calls", "logprobs": nil,
				"message": object{
					"role": "assistant", "content": strings.Repeat("The figures of the last quarter are in the sales table. ", 25),
					"tool_calls": []object{{
						"id": fmt.Sprintf("call_%d", v), "type": "function",
						"function": object{"name": "tool_0", "arguments": arguments(v)},
					}},
				},
			}},
			"usage": usage,
		})
		out = append(out, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", len(body), body))
	}
	return out
}

// streams makes the answers that come in events: one with the role, text, a call's head and its arguments in pieces, the
// finish, the usage, the end.
func streams() [][][]byte {
	var out [][][]byte
	for v := range variants {
		delta := func(d object, reason any) []byte {
			return text(object{
				"id": fmt.Sprintf("gen-%d", v), "object": "chat.completion.chunk", "created": 1700000000, "model": "bench", "provider": "Fake",
				"choices": []object{{"index": 0, "delta": d, "finish_reason": reason, "logprobs": nil}},
			})
		}
		all := [][]byte{delta(object{"role": "assistant", "content": ""}, nil)}
		args := arguments(v)
		const pieces = 6
		for n := range events - pieces - 5 {
			all = append(all, delta(object{"content": fmt.Sprintf(" word%d", n)}, nil))
		}
		all = append(all, delta(object{"tool_calls": []object{{
			"index": 0, "id": fmt.Sprintf("call_%d", v), "type": "function", "function": object{"name": "tool_0", "arguments": ""},
		}}}, nil))
		for n := range pieces {
			piece := args[n*len(args)/pieces : (n+1)*len(args)/pieces]
			all = append(all, delta(object{"tool_calls": []object{{"index": 0, "function": object{"arguments": piece}}}}, nil))
		}
		all = append(all, delta(object{"content": ""}, "tool_calls"))
		all = append(all, text(object{
			"id": fmt.Sprintf("gen-%d", v), "object": "chat.completion.chunk", "created": 1700000000, "model": "bench", "provider": "Fake",
			"choices": []object{}, "usage": usage,
		}))
		all = append(all, []byte("[DONE]"))
		var chunks [][]byte
		for n, data := range all {
			event := fmt.Appendf(nil, "data: %s\n\n", data)
			chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
			if n == 0 {
				chunk = append([]byte("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"), chunk...)
			}
			if n == len(all)-1 {
				chunk = append(chunk, "0\r\n\r\n"...)
			}
			chunks = append(chunks, chunk)
		}
		if len(chunks) != events {
			panic(fmt.Sprintf("%d events in a stream of %d", len(chunks), events))
		}
		out = append(out, chunks)
	}
	return out
}
