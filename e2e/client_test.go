package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/fake/provider"
)

// object is a JSON object.
type object = map[string]any

// token mints one of corp's tokens.
func token(t *testing.T, claims object) string {
	t.Helper()
	out, err := theStage.corp.Mint(claims)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The people of the stories.
func sara(t *testing.T) string {
	return token(t, object{"sub": "sara", "email": "sara@example.com", "email_verified": true, "groups": []string{"finance"}})
}

func carl(t *testing.T) string { // of finance too, without a key of his own
	return token(t, object{"sub": "carl", "email": "carl@example.com", "email_verified": true, "groups": []string{"finance"}})
}

func mona(t *testing.T) string {
	return token(t, object{"sub": "mona", "email": "mona@example.com", "email_verified": true, "groups": []string{"comms"}})
}

// marks tells the requests of one test binary apart.
var marks atomic.Int64

// chat is a request.
type chat struct {
	token    string
	model    string   // default mock/small
	say      string   // the user's message
	messages []object // instead of it
	tools    []string
	stream   bool
	more     object            // further fields
	raw      string            // instead of all of it
	header   map[string]string // "" takes one away
	path     string
}

// answer is what a client reads.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the transport

	text   map[int]string // by choice
	calls  []call
	finish map[int]string
	fault  fault // an error body, or one in the stream
	done   bool  // the stream ended with [DONE]
	mark   string
}

type call struct {
	choice int
	index  int // in a stream
	id     string
	name   string
	args   string
}

type fault struct {
	Message  string `json:"message"`
	Type     string `json:"type"`
	Code     any    `json:"code"`
	Decision string `json:"decision_id"`
}

var storyTools = []string{"snowflake__query", "slack__post_message", "github__get_issue"}

func function(name string) object {
	return object{"type": "function", "function": object{
		"name": name, "description": "Does " + name, "parameters": object{"type": "object", "properties": object{}},
	}}
}

// body is the request's JSON, and the mark that it carries.
func (c chat) body() (string, string) {
	mark := fmt.Sprintf("mark-%d-", marks.Add(1))
	if c.raw != "" {
		return c.raw, ""
	}
	if c.model == "" {
		c.model = "mock/small"
	}
	if c.messages == nil {
		c.messages = []object{{"role": "user", "content": c.say}}
	}
	request := object{
		"model": c.model, "user": mark, // where nothing is withheld
		"messages": append([]object{{"role": "system", "content": "You are " + mark + "."}}, c.messages...),
	}
	if c.stream {
		request["stream"] = true
	}
	if c.tools != nil {
		var tools []object
		for _, name := range c.tools {
			tools = append(tools, function(name))
		}
		request["tools"] = tools
	}
	for k, v := range c.more {
		request[k] = v
	}
	b, err := json.Marshal(request)
	if err != nil {
		panic(err) // the test's own request
	}
	return string(b), mark
}

// send sends a request and returns the response with its body still to be read.
func (g *gateway) send(ctx context.Context, c chat) (*http.Response, string, error) {
	body, mark := c.body()
	if c.path == "" {
		c.path = "/v1/chat/completions"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+c.path, strings.NewReader(body))
	if err != nil {
		return nil, mark, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range c.header {
		req.Header.Del(k)
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	res, err := g.client.Do(req)
	return res, mark, err
}

// ask sends a request and reads its answer as an SDK would.
func (g *gateway) ask(t *testing.T, c chat) answer {
	t.Helper()
	res, mark, err := g.send(t.Context(), c)
	if err != nil {
		return answer{err: err, mark: mark}
	}
	a := g.read(res)
	a.mark = mark
	return a
}

// get is ask for the methods and paths that are no chat.
func (g *gateway) get(t *testing.T, method, path, token string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := g.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	return g.read(res)
}

// read reads a response to its end.
func (g *gateway) read(res *http.Response) answer {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	g.mu.Lock()
	_ = res.Header.Write(&g.heard)
	g.heard.Write(body)
	g.mu.Unlock()
	a := answer{status: res.StatusCode, header: res.Header, body: string(body), err: err, text: map[int]string{}, finish: map[int]string{}}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		a.events(body)
		return a
	}
	a.take(body)
	return a
}

type message struct {
	Content   *string `json:"content"`
	ToolCalls []struct {
		Index    int    `json:"index"` // only in a stream
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	FunctionCall *struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function_call"`
}

// events puts a stream together.
func (a *answer) events(body []byte) {
	for event := range strings.SplitSeq(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n\n") {
		var data []string
		for line := range strings.SplitSeq(event, "\n") {
			if text, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(text, " "))
			}
		}
		switch text := strings.Join(data, "\n"); text {
		case "":
		case "[DONE]":
			a.done = true
		default:
			a.take([]byte(text))
		}
	}
}

// take reads one document: a whole answer, a chunk, or an error. Pieces of calls are joined by their position.
func (a *answer) take(doc []byte) {
	var v struct {
		Error   *fault `json:"error"`
		Choices []struct {
			Index   int      `json:"index"`
			Message *message `json:"message"`
			Delta   *message `json:"delta"`
			Finish  *string  `json:"finish_reason"`
		} `json:"choices"`
	}
	if json.Unmarshal(doc, &v) != nil {
		return
	}
	if v.Error != nil {
		a.fault = *v.Error
	}
	for _, c := range v.Choices {
		if c.Finish != nil {
			a.finish[c.Index] = *c.Finish
		}
		for _, m := range []*message{c.Message, c.Delta} {
			whole := m == c.Message
			if m == nil {
				continue
			}
			if m.Content != nil {
				a.text[c.Index] += *m.Content
			}
			for _, t := range m.ToolCalls {
				a.join(whole, c.Index, t.Index, t.ID, t.Function.Name, t.Function.Arguments)
			}
			if f := m.FunctionCall; f != nil {
				a.join(whole, c.Index, 0, "", f.Name, f.Arguments)
			}
		}
	}
}

// join adds a piece to the call at its place, or begins one; in a whole answer every call is new.
func (a *answer) join(whole bool, choice, index int, id, name, args string) {
	for i := range a.calls {
		if c := &a.calls[i]; !whole && c.choice == choice && c.index == index {
			c.id += id
			c.name += name
			c.args += args
			return
		}
	}
	a.calls = append(a.calls, call{choice: choice, index: index, id: id, name: name, args: args})
}

// names lists the calls' tools.
func (a answer) names() string {
	var out []string
	for _, c := range a.calls {
		out = append(out, c.name)
	}
	return strings.Join(out, " ")
}

// refused checks that an answer is a refusal in OpenAI's shape, with this status and code.
func (a answer) refused(t *testing.T, status int, code string) {
	t.Helper()
	if a.err != nil {
		t.Fatalf("no answer: %v", a.err)
	}
	if a.status != status || a.fault.Code != code || a.fault.Message == "" || a.fault.Type == "" {
		t.Errorf("got %d %+v, want %d %s; the body is %.500s", a.status, a.fault, status, code, a.body)
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("content-type %q", a.header.Get("Content-Type"))
	}
	if a.fault.Decision != "" && a.fault.Decision != a.header.Get("X-Yellowjack-Decision-Id") {
		t.Errorf("decision %q in the body, %q in the header", a.fault.Decision, a.header.Get("X-Yellowjack-Decision-Id"))
	}
	if a.mark != "" && arrived(a.mark) != nil {
		t.Error("a refused request reached the provider")
	}
}

// arrived is the request with this mark as the provider got it, nil when it did not.
func arrived(mark string) *provider.Received {
	for _, r := range theStage.upstream.Received() {
		if strings.Contains(r.Body, mark) {
			return &r
		}
	}
	return nil
}

// upstream is arrived for requests that must have got there.
func (a answer) upstream(t *testing.T) provider.Received {
	t.Helper()
	if a.err != nil {
		t.Fatalf("no answer: %v", a.err)
	}
	r := arrived(a.mark)
	if r == nil {
		t.Fatalf("it did not reach the provider; the client got %d %.500s", a.status, a.body)
	}
	return *r
}

// both runs a test streamed and not.
func both(t *testing.T, f func(t *testing.T, stream bool)) {
	t.Helper()
	t.Run("whole", func(t *testing.T) { f(t, false) })
	t.Run("stream", func(t *testing.T) { f(t, true) })
}

// audit waits for the audit line of a decision.
func (g *gateway) audit(t *testing.T, decision string) object {
	t.Helper()
	var found object
	eventually(t, "the audit line of "+decision, func() bool {
		for line := range bytes.Lines(g.file("audit.jsonl")) {
			var v object
			if json.Unmarshal(line, &v) == nil && v["decision_id"] == decision {
				found = v
				return true
			}
		}
		return false
	})
	return found
}

// eventually polls for what has no event to wait for: a file of another process, a probe of it.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		select {
		case <-deadline.C:
			t.Fatalf("%s never came", what)
		case <-tick.C:
		}
	}
}

// file is a file of the gateway's folder, as much of it as there is.
func (g *gateway) file(name string) []byte {
	b, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return nil
	}
	return b
}
