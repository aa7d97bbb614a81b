package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/yellowjack/yellowjack/internal/fake/provider"
)

// What the model says in every dialect: a whole answer has a longer text in one piece, a stream a shorter one in 40; both have one
// call, which a stream has in six pieces where its API has pieces.
const (
	wholeWords  = 250
	streamWords = 40
	callPieces  = 6
)

// recorded are answers of one operation.
type recorded struct {
	whole   [][]byte
	streams [][][]byte
}

// operations are what the dialects ask: a path, and a request that says in the place of SAY what to say.
var operations = []struct {
	path   string
	stream bool // the path says so
	body   string
}{
	{"/v1/chat/completions", false, `{"model":"bench","stream":STREAM,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":SAY}]}`},
	{"/v1/responses", false, `{"model":"bench","stream":STREAM,"input":SAY}`},
	{"/v1/messages", false, `{"model":"bench","stream":STREAM,"max_tokens":1000,"messages":[{"role":"user","content":SAY}]}`},
	{"/v1beta/models/bench:generateContent", false, `{"contents":[{"role":"user","parts":[{"text":SAY}]}]}`},
	{"/v1beta/models/bench:streamGenerateContent", true, `{"contents":[{"role":"user","parts":[{"text":SAY}]}]}`},
	{"/model/bench/converse", false, `{"messages":[{"role":"user","content":[{"text":SAY}]}]}`},
	{"/model/bench/converse-stream", true, `{"messages":[{"role":"user","content":[{"text":SAY}]}]}`},
}

// record asks the fake provider for the answers of all dialects, whose content is equal, and keeps them as they are sent.
func record() (map[string]recorded, error) {
	fake, err := provider.Start(provider.Config{Models: []string{"bench"}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = fake.Close() }()
	out := map[string]recorded{}
	for _, op := range operations {
		byPath := strings.Contains(op.path, "/v1beta/") || strings.Contains(op.path, "/model/")
		var r recorded
		for v := range variants {
			for _, stream := range []bool{false, true} {
				if byPath && stream != op.stream {
					continue
				}
				path := op.path
				if stream && strings.HasPrefix(path, "/v1beta/") {
					path += "?alt=sse"
				}
				body := strings.NewReplacer("STREAM", strconv.FormatBool(stream), "SAY", string(text(script(v, stream)))).Replace(op.body)
				answer, err := ask(fake, path, body, stream)
				if err != nil {
					return nil, err
				}
				if stream {
					r.streams = append(r.streams, answer)
				} else {
					r.whole = append(r.whole, bytes.Join(answer, nil))
				}
			}
		}
		out[op.path] = r
	}
	return out, nil
}

// script tells the fake what to say.
func script(variant int, stream bool) string {
	words := wholeWords
	if stream {
		words = streamWords
	}
	say := "say"
	for n := range words {
		say += fmt.Sprintf(" word%d", n)
	}
	args := arguments(variant)
	return fmt.Sprintf("%s\ncall tool_0 %s\nfragment %d", say, args, (len(args)+callPieces-1)/callPieces)
}

// ask returns an answer with its head, in the pieces in which it is to be sent.
func ask(fake http.Handler, path, body string, stream bool) ([][]byte, error) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(body))
	w := &tape{ResponseRecorder: httptest.NewRecorder()}
	fake.ServeHTTP(w, r)
	if w.Code != http.StatusOK || !bytes.Contains(w.Body.Bytes(), []byte(`"tool_0"`)) {
		return nil, fmt.Errorf("%s answers %d: %s", path, w.Code, w.Body)
	}
	head := "HTTP/1.1 200 OK\r\ncontent-type: " + w.Header().Get("Content-Type") + "\r\n"
	if !stream {
		return [][]byte{fmt.Appendf(nil, "%scontent-length: %d\r\n\r\n%s", head, w.Body.Len(), w.Body)}, nil
	}
	var out [][]byte
	for n, piece := range w.pieces {
		chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(piece), piece)
		if n == 0 {
			chunk = append([]byte(head+"transfer-encoding: chunked\r\n\r\n"), chunk...)
		}
		if n == len(w.pieces)-1 {
			chunk = append(chunk, "0\r\n\r\n"...)
		}
		out = append(out, chunk)
	}
	return out, nil
}

// tape notes each event by itself; comments are no content.
type tape struct {
	*httptest.ResponseRecorder
	pieces [][]byte
}

func (t *tape) Write(b []byte) (int, error) {
	if !bytes.HasPrefix(b, []byte(":")) {
		t.pieces = append(t.pieces, bytes.Clone(b))
	}
	return t.ResponseRecorder.Write(b)
}
