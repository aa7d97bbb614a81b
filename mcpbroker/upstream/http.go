package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/yellowjack/yellowjack/internal/sse"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// errorBytes is how much of the body of a response with an error status is read.
const errorBytes = 64 << 10

// stream is what a server says in answer to one request: one message, or several.
type stream interface {
	// next is the next message; io.EOF when the server says nothing more.
	next() (*rpc.Message, error)
	close()
}

// response is an answer over HTTP: its status, and its messages.
type response struct {
	status int
	header http.Header
	stream // nil when there is nothing to read
}

// send posts a message (or, with a nil body, asks for a stream or ends a session) with the call's credential. A 401 is tried once
// more with a new one.
func (u *Upstream) send(ctx context.Context, c *relay.Call, method string, body []byte, h http.Header) (*response, error) {
	if u.locals != nil {
		return u.locals.send(ctx, c, method, body, h)
	}
	for again := false; ; again = true {
		credential, err := u.c.Header(ctx, c, again)
		if err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, method, u.c.URL, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header = h.Clone()
		r.Header.Set("Accept", "application/json, text/event-stream")
		if method == http.MethodGet {
			r.Header.Set("Accept", "text/event-stream")
		}
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		for name, values := range credential {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
		resp, err := u.c.Client.Do(r)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if resp.StatusCode == http.StatusUnauthorized && !again {
			drop(resp)
			continue
		}
		return u.read(resp)
	}
}

// read tells by status and content type how an answer is read.
func (u *Upstream) read(resp *http.Response) (*response, error) {
	out := &response{status: resp.StatusCode, header: resp.Header}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		drop(resp)
		return nil, &Unauthorized{Status: resp.StatusCode, Challenge: resp.Header.Get("WWW-Authenticate")}
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		drop(resp)
		return nil, fmt.Errorf("%w: status %d", ErrUnavailable, resp.StatusCode)
	case resp.StatusCode >= 400:
		// A modern server says in the body what is wrong.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, errorBytes))
		drop(resp)
		if m, err := rpc.Parse(body, u.limits); err == nil && m.Err != nil {
			out.stream = &single{m: m}
		}
		return out, nil
	case resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusNoContent:
		drop(resp)
		return out, nil
	case resp.StatusCode != http.StatusOK:
		drop(resp)
		return nil, fmt.Errorf("%w: status %d", ErrInvalid, resp.StatusCode)
	case kind == "text/event-stream":
		out.stream = &events{u: u, body: resp.Body, reader: sse.NewReader(u.c.BodyBytes)}
		return out, nil
	case kind == "application/json":
		body, err := io.ReadAll(io.LimitReader(resp.Body, int64(u.c.BodyBytes)+1))
		drop(resp)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if len(body) == 0 {
			return out, nil
		}
		m, err := rpc.Parse(body, u.limits)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		out.stream = &single{m: m}
		return out, nil
	}
	drop(resp)
	return nil, fmt.Errorf("%w: content type", ErrInvalid)
}

// drop ends a response, and lets its connection be used again when little is left of it.
func drop(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, errorBytes)
	_ = resp.Body.Close()
}

// single is a stream of one message.
type single struct{ m *rpc.Message }

func (s *single) next() (*rpc.Message, error) {
	m := s.m
	s.m = nil
	if m == nil {
		return nil, io.EOF
	}
	return m, nil
}

func (s *single) close() {}

// events is a stream of server-sent events.
type events struct {
	u      *Upstream
	body   io.ReadCloser
	reader *sse.Reader
	at     place
	ended  bool // the body
	closed bool // the reader
}

func (s *events) next() (*rpc.Message, error) {
	buf := make([]byte, 32<<10)
	for {
		e, ok, err := s.reader.Next()
		if ok {
			s.at.note(e)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		case ok && e.HasData && len(e.Data) > 0:
			m, err := rpc.Parse(bytes.Clone(e.Data), s.u.limits)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
			return m, nil
		case ok:
			continue
		case s.closed:
			return nil, io.EOF
		case s.ended: // all that was fed has been read
			s.closed = true
			if err := s.reader.Close(); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
			continue
		}
		n, err := s.body.Read(buf)
		s.reader.Feed(buf[:n])
		switch {
		case errors.Is(err, io.EOF):
			s.ended = true
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

func (s *events) close() { _ = s.body.Close() }

// post sends a message of the legacy era that has no answer.
func (u *Upstream) post(ctx context.Context, c *relay.Call, s *legacySession, doc []byte) error {
	resp, err := u.send(ctx, c, http.MethodPost, doc, s.headers())
	if err != nil {
		return err
	}
	if resp.stream != nil {
		resp.close()
	}
	if resp.status >= 400 {
		return fmt.Errorf("%w: status %d", ErrInvalid, resp.status)
	}
	return nil
}

// headers are those of a request of the session.
func (s *legacySession) headers() http.Header {
	h := http.Header{}
	if s == nil {
		return h
	}
	if s.id != "" {
		h.Set(protocol.HeaderSession, s.id)
	}
	if s.version != protocol.V20250326 {
		h.Set(protocol.HeaderVersion, s.version)
	}
	return h
}
