package dual

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

const (
	// maxBody bounds what is read of a model's answer with all that its provider writes around it; maxAnswerBytes, what the
	// model wrote.
	maxBody        = 256 << 10
	maxAnswerBytes = 64 << 10
)

// UnixClient is an HTTP client that reaches one Unix socket, whatever a URL says, with so many connections at most. It
// follows no redirect and undoes no compression.
func UnixClient(socket string, connections int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
			MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: 30 * time.Second,
			DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded is the client with every answer cut off, by an error, behind maxBody.
func bounded(c *http.Client) *http.Client {
	copied := *c
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	copied.Transport = limiting{next}
	return &copied
}

type limiting struct{ next http.RoundTripper }

// RoundTrip bounds the answer's body.
func (l limiting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err == nil {
		answer.Body = &limitedBody{answer.Body, maxBody}
	}
	return answer, err
}

type limitedBody struct {
	io.ReadCloser
	left int
}

var errTooMuch = errors.New("dual: the answer is too large")

// Read is an error once there was more than may be.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooMuch
	}
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooMuch
	}
	return n, err
}

// request is one call of a model.
type request struct {
	model, purpose string
	system         string
	user           []string
	tokens         int64
	schema         map[string]any
}

// call asks a model and returns what it wrote. The reason is "" only when there is that.
func (a *Asker) call(ctx context.Context, c Caller, r request) ([]byte, Reason) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeouts.Result)
	defer cancel()
	_, plain := a.plain.Load(r.model)
	body, err := a.post(ctx, c, r, plain)
	var refused *openai.Error
	if !plain && errors.As(err, &refused) && (refused.StatusCode == http.StatusBadRequest || refused.StatusCode == http.StatusUnprocessableEntity) {
		// Perhaps this model takes no schema, or no temperature. If it answers without, it is not asked with them again.
		if body, err = a.post(ctx, c, r, true); err == nil {
			a.plain.Store(r.model, true)
		}
	}
	switch {
	case errors.Is(err, errToken):
		a.cfg.Log.Warn("a model call of the gateway's own could not be delegated", "purpose", r.purpose, "err", err)
		return nil, NoToken
	case ctx.Err() != nil:
		return nil, Late
	case err != nil:
		// The error quotes what came, and that is content.
		status := 0
		if errors.As(err, &refused) {
			status = refused.StatusCode
		}
		a.cfg.Log.Warn("a model call of the gateway's own failed", "purpose", r.purpose, "model", r.model, "status", status)
		return nil, Failed
	}
	text, err := parseCompletion(body)
	if err != nil {
		return nil, Malformed
	}
	return text, ""
}

var errToken = errors.New("dual: no token")

// post makes the request. A plain one says nothing of a schema or a temperature.
func (a *Asker) post(ctx context.Context, c Caller, r request, plain bool) ([]byte, error) {
	if c.Token == nil {
		return nil, errToken
	}
	token, err := c.Token(r.purpose)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errToken, err)
	}
	params := openai.ChatCompletionNewParams{
		Model: r.model, MaxCompletionTokens: openai.Int(r.tokens),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(r.system)},
	}
	for _, text := range r.user {
		params.Messages = append(params.Messages, openai.UserMessage(text))
	}
	if !plain {
		params.Temperature = openai.Float(0)
		params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
			Name: r.purpose, Strict: openai.Bool(true), Schema: r.schema,
		}}
	}
	var body []byte
	_, err = a.chat.New(ctx, params, option.WithAPIKey(token), option.WithResponseBodyInto(&body))
	return body, err
}

var (
	completionNames = strictjson.NewNames("choices", "error")
	choiceNames     = strictjson.NewNames("index", "message", "finish_reason")
	messageNames    = strictjson.NewNames("role", "content", "refusal", "tool_calls", "function_call", "audio")
	errCompletion   = errors.New("dual: not one finished text")
)

// parseCompletion reads a chat completion of exactly one choice that ended by itself and holds a text and nothing that acts.
func parseCompletion(doc []byte) ([]byte, error) {
	var text []byte
	choices, finished, failed := 0, false, false
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxBody, MaxDepth: 16})
	defer r.Close()
	message := func(m strictjson.Member) (err error) {
		switch m.Name {
		case "role":
			role, err := r.Word(messageNames)
			failed = failed || role != "assistant"
			return err
		case "content":
			if r.Kind() != strictjson.String {
				return r.Fail(strictjson.ErrType, errCompletion.Error())
			}
			text, _, err = r.Text(nil)
			return err
		case "refusal", "tool_calls", "function_call", "audio":
			empty, err := emptyValue(r)
			failed = failed || !empty
			return err
		}
		return nil
	}
	choice := func(m strictjson.Member) error {
		switch m.Name {
		case "message":
			return r.Object(messageNames, message)
		case "finish_reason":
			if r.Kind() != strictjson.String {
				return r.Fail(strictjson.ErrType, errCompletion.Error())
			}
			why, err := r.Word(choiceNames)
			finished = why == "stop"
			return err
		}
		return nil
	}
	err := r.Object(completionNames, func(m strictjson.Member) error {
		switch m.Name {
		case "choices":
			return r.Array(func(int) error {
				choices++
				return r.Object(choiceNames, choice)
			})
		case "error":
			empty, err := emptyValue(r)
			failed = failed || !empty
			return err
		}
		return nil
	})
	if err == nil {
		err = r.End()
	}
	if err == nil && (choices != 1 || !finished || failed || len(text) == 0 || len(text) > maxAnswerBytes) {
		err = errCompletion
	}
	return text, err
}

// emptyValue reads a value and tells whether it says nothing: null or an empty list.
func emptyValue(r *strictjson.Reader) (bool, error) {
	switch r.Kind() {
	case strictjson.Null:
		return r.Null()
	case strictjson.Array:
		n := 0
		err := r.Array(func(int) error { n++; return nil })
		return n == 0, err
	}
	_, err := r.Skip()
	return false, err
}
