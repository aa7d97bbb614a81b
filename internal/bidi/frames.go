package bidi

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	maxFrame    = 1 << 20 // what the peer may put into one frame
	headerTable = 4096    // HPACK's dynamic table, as RFC 9113 has it unless told
)

// errFlow is a peer that sends more than its windows allow.
var errFlow = errors.New("bidi: the peer sends more than its window")

// begin reads the preface and the first frame, which must be SETTINGS.
func (c *conn) begin() error {
	if err := c.net.SetReadDeadline(time.Now().Add(handshakeWait)); err != nil {
		return err
	}
	c.mu.Lock()
	c.out = appendSettings(c.out, c.server.cfg.MaxStreams)
	c.notify()
	c.mu.Unlock()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c.source, preface); err != nil {
		return err
	}
	if string(preface) != http2.ClientPreface {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	f, err := c.framer.ReadFrame()
	if err != nil {
		return err
	}
	settings, ok := f.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if err := c.onSettings(settings); err != nil {
		return err
	}
	return c.net.SetReadDeadline(time.Time{})
}

// on takes one frame.
func (c *conn) on(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.DataFrame:
		return c.onData(f)
	case *http2.HeadersFrame:
		if f.StreamID%2 == 0 {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
		c.head = head{}
		return c.onBlock(f.StreamID, f.HeaderBlockFragment(), f.HeadersEnded(), f.StreamEnded())
	case *http2.ContinuationFrame: // the framer sees to it that nothing comes in between
		return c.onBlock(f.StreamID, f.HeaderBlockFragment(), f.HeadersEnded(), c.ending)
	case *http2.SettingsFrame:
		return c.onSettings(f)
	case *http2.WindowUpdateFrame:
		return c.onWindow(f)
	case *http2.RSTStreamFrame:
		return c.onReset(f)
	case *http2.PingFrame:
		if f.IsAck() {
			if f.Data == drainPing {
				c.depart()
			}
			return nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.out = appendPing(c.out, f.Data, true)
		c.notify()
		return c.yieldLocked()
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil // GOAWAY: the peer closes when it is done. PRIORITY and what is unknown say nothing here.
}

// onBlock takes a piece of a block of headers.
func (c *conn) onBlock(id uint32, fragment []byte, complete, ends bool) error {
	c.ending = ends
	c.head.size += len(fragment)
	if c.head.size > maxHeaders {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if _, err := c.decoder.Write(fragment); err != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	if !complete {
		return nil
	}
	if err := c.decoder.Close(); err != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	if id > c.last {
		return c.open(id, ends)
	}
	c.mu.Lock()
	s := c.streams[id]
	again := s != nil && s.half
	c.mu.Unlock()
	switch {
	case s == nil: // trailers of a stream that we ended
		return nil
	case again, !ends: // trailers come once, and last
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.onEnd(s)
	return nil
}

// open opens a stream and starts its method, or refuses it.
func (c *conn) open(id uint32, ends bool) error {
	h := c.head
	c.head = head{}
	s := &Stream{
		conn: c, id: id, method: c.server.cfg.Methods[h.path], said: h.said, wake: make(chan struct{}, 1), room: streamWindow, half: ends,
	}
	s.queue = s.first[:0]
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.notify()
	c.last = id
	s.credit = c.initial
	limit, timed := h.deadline()
	var refused error
	switch {
	case !h.valid():
		c.out = appendReset(c.out, id, http2.ErrCodeProtocol)
		return nil
	case c.failed != nil, c.leaving == departed, len(c.streams) >= c.server.cfg.MaxStreams:
		c.out = appendReset(c.out, id, http2.ErrCodeRefusedStream)
		return nil
	case s.method == nil:
		refused = status.Error(codes.Unimplemented, "no such method is served here")
	case h.encoding != "" && h.encoding != "identity":
		refused = status.Error(codes.Unimplemented, "no compression is served here")
	case h.timeout != "" && !timed:
		refused = status.Error(codes.Internal, "grpc-timeout cannot be read")
	}
	if refused != nil {
		c.appendEnd(s, refused)
		return nil
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if timed {
		expiry := time.AfterFunc(limit, func() { c.abandon(s, errTimeout) })
		context.AfterFunc(s.ctx, func() { expiry.Stop() })
	}
	c.streams[id] = s
	if ends {
		s.end(io.EOF)
	}
	c.server.start(s)
	return nil
}

// onData takes a piece of a stream.
func (c *conn) onData(f *http2.DataFrame) error {
	size := int(f.Length) // padding too
	if c.window -= size; c.window < 0 {
		return errFlow
	}
	var given int
	if missing := connWindow - c.window; missing >= connWindow/4 {
		// At once: what a stream keeps is bounded by the stream's window.
		given, c.window = missing, connWindow
	}
	c.mu.Lock()
	if given > 0 {
		c.out = appendWindow(c.out, 0, given)
		c.notify()
	}
	s := c.streams[f.StreamID]
	var broken error
	switch {
	case s == nil && f.StreamID > c.last:
		broken = http2.ConnectionError(http2.ErrCodeProtocol)
	case s == nil: // a stream that we ended
	case s.half:
		broken = http2.ConnectionError(http2.ErrCodeStreamClosed)
	default:
		if s.room -= size; s.room < 0 {
			broken = errFlow
		}
	}
	c.mu.Unlock()
	if broken != nil || s == nil {
		return broken
	}
	data := f.Data()
	free, err := s.feed(data, c.server.cfg.MaxMessage)
	if err != nil {
		c.abandon(s, err)
		return nil
	}
	c.giveBack(s, free+size-len(data))
	if f.StreamEnded() {
		c.onEnd(s)
	}
	return c.yield()
}

// onEnd is a peer's half-close. In the middle of a message it is no end but a fault.
func (c *conn) onEnd(s *Stream) {
	c.mu.Lock()
	s.half = true
	c.mu.Unlock()
	if s.in.begun() {
		c.abandon(s, status.Error(codes.Internal, "the stream ended in the middle of a message"))
		return
	}
	s.end(io.EOF)
}

// onReset is a peer's cancellation.
func (c *conn) onReset(f *http2.RSTStreamFrame) error {
	c.mu.Lock()
	s := c.streams[f.StreamID]
	if s != nil {
		s.gone = errPeer
		c.room.Broadcast()
	}
	idle := f.StreamID > c.last
	c.mu.Unlock()
	if idle {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if s != nil {
		s.end(errPeer)
	}
	return nil
}

// abandon breaks a stream that the peer does not know to be broken; its method ends it.
func (c *conn) abandon(s *Stream, err error) {
	s.end(err)
	c.mu.Lock()
	c.room.Broadcast()
	c.mu.Unlock()
}

// onWindow opens a window.
func (c *conn) onWindow(f *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	credit := &c.credit
	if f.StreamID != 0 {
		s := c.streams[f.StreamID]
		if s == nil {
			if f.StreamID > c.last {
				return http2.ConnectionError(http2.ErrCodeProtocol)
			}
			return nil
		}
		credit = &s.credit
	}
	if *credit += int64(f.Increment); *credit > maxWindow {
		return errFlow
	}
	c.room.Broadcast()
	return nil
}

// onSettings takes the peer's settings and says so.
func (c *conn) onSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if f.HasDuplicates() {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := f.ForeachSetting(func(setting http2.Setting) error {
		if err := setting.Valid(); err != nil {
			return err
		}
		switch setting.ID {
		case http2.SettingInitialWindowSize:
			change := int64(setting.Val) - c.initial
			c.initial = int64(setting.Val)
			for _, s := range c.streams {
				if s.credit += change; s.credit > maxWindow {
					return errFlow
				}
			}
		case http2.SettingMaxFrameSize:
			c.frame = int(min(setting.Val, maxFrame))
		}
		return nil // we send no header that the other settings are about
	})
	if err != nil {
		return err
	}
	c.out = appendSettingsAck(c.out)
	c.room.Broadcast()
	c.notify()
	return c.yieldLocked()
}
