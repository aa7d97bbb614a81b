package bidi

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	streamWindow = 1 << 20  // what a peer may send on one stream ahead of its method
	connWindow   = 16 << 20 // and on all of a connection ahead of its reader
	readBuffer   = 64 << 10
	maxHeaders   = 32 << 10 // bytes of one block of headers
	maxWindow    = 1<<31 - 1
	maxPending   = 4 << 20 // bytes that may wait to be written
)

// conn is one connection.
type conn struct {
	server *Server
	net    net.Conn
	heard  atomic.Bool // the peer sent something since keepalive last looked

	// The reader's.
	source  *bufio.Reader
	framer  *http2.Framer
	decoder *hpack.Decoder
	head    head // of the block that is being read …
	ending  bool // … and whether it ends its stream
	window  int  // what the peer may still send on the connection

	mu      sync.Mutex
	room    sync.Cond // a window or the buffer has room again, or there will be none
	streams map[uint32]*Stream
	last    uint32 // the highest stream that the peer opened
	credit  int64  // what we may send on the connection
	initial int64  // … and on a new stream
	frame   int    // … and in one frame
	out     []byte
	failed  error // why nothing is read or sent any more
	leaving leaving

	wake chan struct{} // there is something to write
	done chan struct{} // the writer has ended
}

// leaving is how far a drain of the connection has come.
type leaving uint8

const (
	staying  leaving = iota
	warned           // the peer was told to open no streams, and may not have read it yet
	departed         // no further stream is served
)

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		server: s, net: nc, streams: map[uint32]*Stream{}, window: connWindow,
		credit: 65535, initial: 65535, frame: 16384, // as RFC 9113 has them until the peer says otherwise
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	c.room.L = &c.mu
	c.source = bufio.NewReaderSize(listening{c}, readBuffer)
	c.framer = http2.NewFramer(io.Discard, c.source)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(maxFrame)
	c.decoder = hpack.NewDecoder(headerTable, c.field)
	c.decoder.SetMaxStringLength(maxHeaders)
	return c
}

// listening reads from the connection and notes that the peer lives.
type listening struct{ c *conn }

func (l listening) Read(p []byte) (int, error) {
	n, err := l.c.net.Read(p)
	if n > 0 {
		l.c.heard.Store(true)
	}
	return n, err
}

// serve reads until the connection is over. When it returns, every stream has been told and all is written that can be.
func (c *conn) serve() {
	go c.write()
	stop := c.keepalive()
	err := c.read()
	stop()
	c.end(err)
	<-c.done
}

// read is the reader. It returns why the connection is over.
func (c *conn) read() (err error) {
	defer func() {
		if broken := recover(); broken != nil {
			c.server.cfg.Log.Error("a connection's reader panicked and the connection was ended", "panic", broken, "stack", string(debug.Stack()))
			err = http2.ConnectionError(http2.ErrCodeInternal)
		}
	}()
	if err := c.begin(); err != nil {
		return err
	}
	for {
		f, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		if err := c.on(f); err != nil {
			return err
		}
	}
}

// end ends the connection and every stream on it, and has the writer send what is there and close. Errors stick.
func (c *conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return
	}
	c.failed = err
	if code, ours := fault(err); ours {
		c.out = appendGoAway(c.out, c.last, code)
		c.server.cfg.Log.Warn("a connection to the service was ended: its peer broke HTTP/2", "err", err)
	}
	gone := err
	if _, told := status.FromError(err); !told {
		gone = status.Error(codes.Canceled, "the connection to the peer is over")
	}
	for _, s := range c.streams {
		if err == errStopped { //nolint:errorlint // ours, never wrapped
			c.appendEnd(s, err)
			_ = c.net.SetWriteDeadline(time.Now().Add(lastWait)) // for a write that is under way
		}
		s.gone = gone
		s.end(gone)
	}
	c.room.Broadcast()
	c.notify()
}

// fault tells whether an error of the reader is the peer's fault, and its code.
func fault(err error) (http2.ErrCode, bool) {
	var connection http2.ConnectionError
	var stream http2.StreamError
	switch {
	case errors.As(err, &connection):
		return http2.ErrCode(connection), true
	case errors.As(err, &stream):
		return stream.Code, true
	case errors.Is(err, http2.ErrFrameTooLarge):
		return http2.ErrCodeFrameSize, true
	case errors.Is(err, errFlow):
		return http2.ErrCodeFlowControl, true
	}
	return 0, false
}

// drain asks the peer to open no more streams. What it opened before it read that is still served: the answer to a PING
// says when it has.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving != staying || c.failed != nil {
		return
	}
	c.leaving = warned
	c.out = appendGoAway(c.out, maxWindow, http2.ErrCodeNo)
	c.out = appendPing(c.out, drainPing, false)
	c.notify()
	time.AfterFunc(drainAnswer, c.depart)
}

// drainAnswer is how long the answer to the drain's PING is waited for.
const drainAnswer = time.Second

var drainPing = [8]byte{'d', 'r', 'a', 'i', 'n'}

// depart says which streams are the last, and closes the connection when there are none.
func (c *conn) depart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving != warned || c.failed != nil {
		return
	}
	c.leaving = departed
	c.out = appendGoAway(c.out, c.last, http2.ErrCodeNo)
	c.notify()
}

// over tells whether a drained connection has nothing left to do.
func (c *conn) over() bool { return c.leaving == departed && len(c.streams) == 0 }

// keepalive asks a silent peer whether it lives, and closes the connection when no answer comes.
func (c *conn) keepalive() (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	asked, stopped := false, false
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped:
			return
		case c.heard.Swap(false):
			asked = false
			timer.Reset(keepaliveEvery)
		case asked:
			c.end(errStalled)
			c.net.Close()
		default:
			asked = true
			c.mu.Lock()
			c.out = appendPing(c.out, [8]byte{}, false)
			c.notify()
			c.mu.Unlock()
			timer.Reset(keepaliveWait)
		}
	}
	mu.Lock()
	timer = time.AfterFunc(keepaliveEvery, look)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
