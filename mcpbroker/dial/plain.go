package dial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxIdle connections to one host are kept, each for keptFor.
	maxIdle = 64
	keptFor = 90 * time.Second
	// maxHead is how long the head of an answer may be.
	maxHead = 1 << 20
	// maxEarly is how many answers a server may give that are none yet (1xx).
	maxEarly = 8
	// maxWhole is the longest body that is sent before anything is read. A server that answers a longer one before it has read it, and
	// reads no more, would wait for us as we for it.
	maxWhole = 64 << 10
)

var (
	errHead     = errors.New("dial: the head of the answer is too long")
	errProtocol = errors.New("dial: the server wants another protocol")
)

// plain is a transport of HTTP/1.1 without TLS. The standard one hands a request to a goroutine that writes and gets the answer from
// one that reads, which for a short call on a connection that is open takes longer than all that we do with it (measured: a sixth of a
// warm call). Here the caller's own goroutine writes and then reads. Messages are written and read by net/http.
type plain struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	idle  map[string][]*conn // by address; the last used last
	sweep *time.Timer        // closes those that were not used for long; nil while there are none
}

// conn is one connection; it carries one exchange at a time.
type conn struct {
	net.Conn
	address string
	r       *bufio.Reader
	w       *bufio.Writer
	head    int // how much of a head may still come; below 0 is any number
	since   time.Time
}

// Read holds what comes to the length of a head, while one is read.
func (c *conn) Read(b []byte) (int, error) {
	if c.head == 0 {
		return 0, errHead
	}
	if c.head > 0 && len(b) > c.head {
		b = b[:c.head]
	}
	n, err := c.Conn.Read(b)
	if c.head > 0 {
		c.head -= n
	}
	return n, err
}

// takes tells whether a request is for this transport.
func (*plain) takes(r *http.Request) bool {
	return r.URL.Scheme == "http" && r.ContentLength >= 0 && r.ContentLength <= maxWhole
}

// RoundTrip makes one exchange.
func (p *plain) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	c, err := p.take(ctx, r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	resp, err := c.exchange(r)
	if err != nil {
		stop()
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	b := &body{p: p, c: c, ctx: ctx, stop: stop, from: resp.Body, last: resp.Close || r.Close}
	resp.Body = b
	if resp.ContentLength == 0 && len(resp.TransferEncoding) == 0 {
		b.end()
	}
	return resp, nil
}

// exchange writes a request and reads the head of its answer.
func (c *conn) exchange(r *http.Request) (*http.Response, error) {
	if err := r.Write(c.w); err != nil {
		return nil, err
	}
	if err := c.w.Flush(); err != nil {
		return nil, err
	}
	c.head = maxHead
	for range maxEarly {
		resp, err := http.ReadResponse(c.r, r)
		switch {
		case err != nil:
			return nil, fmt.Errorf("dial: no answer: %w", err)
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errProtocol
		case resp.StatusCode >= 200:
			c.head = -1
			return resp, nil
		}
	}
	return nil, errProtocol
}

// take is a connection that is open, or a new one.
func (p *plain) take(ctx context.Context, r *http.Request) (*conn, error) {
	port := r.URL.Port()
	if port == "" {
		port = "80"
	}
	address := net.JoinHostPort(r.URL.Hostname(), port)
	for {
		c := p.pop(address)
		switch {
		case c == nil:
			made, err := p.dial(ctx, "tcp", address)
			if err != nil {
				return nil, err
			}
			c = &conn{Conn: made, address: address}
			c.r, c.w = bufio.NewReader(c), bufio.NewWriter(made)
			return c, nil
		case quiet(c.Conn):
			return c, nil
		}
		_ = c.Close() // the server has closed it, or speaks unasked
	}
}

func (p *plain) pop(address string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle[address]
	if len(all) == 0 {
		return nil
	}
	c := all[len(all)-1]
	all[len(all)-1] = nil
	p.idle[address] = all[:len(all)-1]
	return c
}

// push keeps a connection for the next exchange.
func (p *plain) push(c *conn) {
	c.since = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle[c.address]
	if len(all) >= maxIdle {
		_ = c.Close()
		return
	}
	if p.idle == nil {
		p.idle = map[string][]*conn{}
	}
	p.idle[c.address] = append(all, c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(keptFor, p.old)
	}
}

// old closes what was not used for long.
func (p *plain) old() {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := time.Now().Add(-keptFor)
	p.sweep = nil
	for address, all := range p.idle {
		n := 0
		for n < len(all) && !all[n].since.After(before) {
			_ = all[n].Close()
			n++
		}
		if n == len(all) {
			delete(p.idle, address)
			continue
		}
		p.idle[address] = append([]*conn(nil), all[n:]...)
		if p.sweep == nil {
			p.sweep = time.AfterFunc(keptFor, p.old)
		}
	}
}

// CloseIdleConnections closes what is kept.
func (p *plain) CloseIdleConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, all := range p.idle {
		for _, c := range all {
			_ = c.Close()
		}
	}
	p.idle = nil
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
}

// body is the body of an answer. At its end its connection is free; who closes it before has the connection closed.
type body struct {
	p    *plain
	c    *conn
	ctx  context.Context //nolint:containedctx // of the exchange, which lasts as long as its body
	stop func() bool
	from io.ReadCloser
	last bool // nothing comes after it on this connection

	mu     sync.Mutex // Close may come while Read waits
	over   bool
	closed bool // before its end
}

// Read reads on.
func (b *body) Read(to []byte) (int, error) {
	b.mu.Lock()
	over, closed := b.over, b.closed
	b.mu.Unlock()
	switch {
	case closed:
		return 0, http.ErrBodyReadAfterClose
	case over:
		return 0, io.EOF
	}
	n, err := b.from.Read(to)
	switch {
	case errors.Is(err, io.EOF):
		b.end()
	case err != nil:
		_ = b.Close()
		if b.ctx.Err() != nil {
			err = context.Cause(b.ctx)
		}
	}
	return n, err
}

// end gives the connection back.
func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	b.over = true
	if !b.stop() || b.last || b.c.r.Buffered() > 0 { // it was cut off; or what came after the answer belongs to nobody
		_ = b.c.Close()
		return
	}
	b.p.push(b.c)
}

// Close ends the exchange, and with it the connection when the body was not read to its end.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return nil
	}
	b.over, b.closed = true, true
	b.stop()
	return b.c.Close()
}
