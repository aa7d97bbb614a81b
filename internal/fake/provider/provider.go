// Package provider is a model provider for tests and demos: an HTTP server that speaks Chat Completions the way OpenRouter
// does, streamed and not, and that behaves as badly as it is asked to.
//
// Its model has no judgement: it obeys every instruction that it can read. Instructions are lines such as
//
//	say Hello.
//	call slack__post_message {"channel":"#general","text":"hi"}
//	status 429 retry-after 7
//
// in the messages after the last one of the assistant, whatever their role: what the user says, and what a tool's result
// says. That is the worst model a guard can stand in front of. A model whose name contains "sober" obeys the user and the
// system alone. With nothing to obey the model says what it sees: the tools it was offered, or the result it was given.
// A directive can also stand in the model's name, words joined by dashes and directives by plus signs: `mock/status-503`,
// `mock/hang`, `mock/gzip+slow-2s`. script.go lists them all.
//
// The wire is OpenRouter's: `: OPENROUTER PROCESSING` comments before the first chunk, a role chunk, deltas, the chunk
// that finishes a choice, a usage chunk with the cost which repeats the finish, `[DONE]`.
//
// It speaks Anthropic's Messages too (anthropic.go), OpenAI's Responses (responses.go), Gemini's generateContent (gemini.go) and Bedrock's
// Converse (bedrock.go), by the same scripts; and it makes embeddings (embeddings.go).
//
// Everything received is recorded (Received, Await, GET /_received), with headers and body as they arrived, and with how
// the exchange ended: that a client's going away reached the provider can be asserted.
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says where the provider listens. The zero Config is a free port of the loopback address.
type Config struct {
	Addr   string   // default 127.0.0.1:0
	Models []string // what GET /v1/models lists; default small, large
	// Answer is asked before the scripted model; answering true means that it has replied itself.
	Answer func(http.ResponseWriter, *http.Request, []byte) bool
}

// Received is one request as it arrived.
type Received struct {
	ID      int         `json:"id"`
	Method  string      `json:"method"`
	Path    string      `json:"path"` // with its query
	Host    string      `json:"host"`
	Header  http.Header `json:"header"`
	Length  int64       `json:"content_length"` // as declared; -1 for none
	Body    string      `json:"body"`
	Outcome Outcome     `json:"outcome"`
}

// Outcome is how an exchange ended.
type Outcome string

// The outcomes.
const (
	Open Outcome = "open" // not yet
	Done Outcome = "done" // the answer was written to its end, or broken off because the script said so
	Gone Outcome = "gone" // the client went away first
)

// Server is a running provider.
type Server struct {
	cfg    Config
	url    string
	server *http.Server
	ended  chan struct{}
	stop   context.CancelFunc

	mu       sync.Mutex
	received []Received
	changed  chan struct{} // closed and renewed at every change of received
	down     bool
}

// Start serves until Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Models == nil {
		cfg.Models = []string{"small", "large"}
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		cfg: cfg, url: "http://" + l.Addr().String(), stop: stop, ended: make(chan struct{}), changed: make(chan struct{}),
	}
	s.server = &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(l) // ends with Close
	}()
	return s, nil
}

// Close ends the server and every exchange.
func (s *Server) Close() error {
	s.stop()
	err := s.server.Close()
	<-s.ended
	return err
}

// URL is where it listens, without a path; an SDK's base URL is this and /v1.
func (s *Server) URL() string { return s.url }

// SetDown makes the server break every connection without an answer, or answer again.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Received returns what has arrived so far, in order.
func (s *Server) Received() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// Forget empties the record.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = nil
	s.notify()
}

// Await returns the first request that has, or gets, what is wanted.
func (s *Server) Await(ctx context.Context, want func(Received) bool) (Received, error) {
	for {
		s.mu.Lock()
		all, changed := slices.Clone(s.received), s.changed
		s.mu.Unlock()
		if i := slices.IndexFunc(all, want); i >= 0 {
			return all[i], nil
		}
		select {
		case <-ctx.Done():
			return Received{}, fmt.Errorf("provider: none of %d requests is the one waited for: %w", len(all), ctx.Err())
		case <-changed:
		}
	}
}

// notify wakes who waits; s.mu is held.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) record(r *http.Request, body []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := len(s.received)
	s.received = append(s.received, Received{
		ID: id, Method: r.Method, Path: r.URL.RequestURI(), Host: r.Host, Header: r.Header.Clone(), Length: r.ContentLength,
		Body: string(body), Outcome: Open,
	})
	s.notify()
	return id
}

func (s *Server) finish(id int, o Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id < len(s.received) {
		s.received[id].Outcome = o
		s.notify()
	}
}

// ServeHTTP is the provider's API and, under /_, what tests ask.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_received" {
		if r.Method == http.MethodDelete {
			s.Forget()
		}
		writeJSON(w, http.StatusOK, s.Received())
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone; there was no request
	}
	id := s.record(r, body)
	outcome := Done
	defer func() {
		s.finish(id, outcome)
		if v := recover(); v != nil {
			panic(v) // http.ErrAbortHandler, by which net/http breaks the connection off
		}
	}()
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	if s.cfg.Answer != nil && s.cfg.Answer(w, r, body) {
		return
	}
	if err := s.serve(w, r, body); errors.Is(err, errGone) {
		outcome = Gone
	}
}

// serve routes.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, body []byte) error {
	switch path := strings.TrimPrefix(r.URL.Path, "/api"); {
	case isGemini(r):
		return s.gemini(w, r, body)
	case conversePath.MatchString(r.URL.EscapedPath()):
		return s.converse(w, r, body)
	case path == "/v1/models" && r.Method == http.MethodGet && r.Header.Get("Anthropic-Version") != "":
		writeJSON(w, http.StatusOK, messageModels(s.cfg.Models))
	case path == "/v1/models" && r.Method == http.MethodGet:
		list := []map[string]any{}
		for _, m := range s.cfg.Models {
			list = append(list, map[string]any{"id": m, "object": "model", "created": 1700000000, "owned_by": "fake"})
		}
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
	case path == "/v1/chat/completions" && r.Method == http.MethodPost:
		return s.chat(w, r, body)
	case path == "/v1/responses" && r.Method == http.MethodPost:
		return s.responses(w, r, body)
	case path == "/v1/embeddings" && r.Method == http.MethodPost:
		return embed(w, r, body)
	case path == "/v1/messages" && r.Method == http.MethodPost:
		return s.messages(w, r, body)
	case path == "/v1/messages/count_tokens" && r.Method == http.MethodPost:
		return countTokens(w, body)
	default:
		writeJSON(w, http.StatusNotFound, apiError{Error: errorBody{Message: "no such path", Code: http.StatusNotFound}})
	}
	return nil
}

// chat plays the script of one request.
func (s *Server) chat(w http.ResponseWriter, r *http.Request, body []byte) error {
	req, err := readRequest(body)
	if err != nil {
		return badRequest(w, err)
	}
	script := req.script()
	if err := pause(r.Context(), script.slow); err != nil {
		return err
	}
	if handled, err := script.misbehave(w, r, chatError); handled {
		return err
	}
	if req.Stream && script.rawBody == "" {
		return script.stream(w, r, req)
	}
	return script.whole(w, req)
}

func badRequest(w http.ResponseWriter, why error) error {
	writeJSON(w, http.StatusBadRequest, apiError{Error: errorBody{Message: why.Error(), Code: http.StatusBadRequest}})
	return nil
}

// errGone is an exchange that the client left.
var errGone = errors.New("provider: the client is gone")

// pause waits, unless the client goes away first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errGone
	case <-timer.C:
		return nil
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone misses nothing
}
