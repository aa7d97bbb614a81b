package bidi

import (
	"encoding/binary"
	"runtime"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/status"
)

// notify tells the writer that there is something to write. Under mu, or not: it never waits.
func (c *conn) notify() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write is the writer. It ends when the connection has failed and all that was said before is written.
func (c *conn) write() {
	defer close(c.done)
	defer c.net.Close()
	var b []byte
	for range c.wake {
		// Streams that run now may have something to say too; their turn costs less than a write for each.
		runtime.Gosched()
		c.mu.Lock()
		for len(c.out) > 0 {
			b, c.out = c.out, b[:0]
			ending := c.failed != nil
			if len(b) >= maxPending {
				c.room.Broadcast()
			}
			c.mu.Unlock()
			wait := writeWait
			if ending {
				wait = lastWait
			}
			err := c.net.SetWriteDeadline(time.Now().Add(wait))
			if err == nil {
				_, err = c.net.Write(b)
			}
			if err != nil {
				c.end(err)
				c.drop()
				return
			}
			if cap(b) > maxKept {
				b = nil
			}
			c.mu.Lock()
		}
		last := c.failed != nil || c.over()
		c.mu.Unlock()
		if last {
			c.drop()
			return
		}
	}
}

// maxKept is the largest buffer of the writer that is kept.
const maxKept = 1 << 20

// drop closes the connection, so that its reader ends too, and whoever waits for room.
func (c *conn) drop() {
	c.net.Close()
	c.mu.Lock()
	c.out = nil
	c.room.Broadcast()
	c.mu.Unlock()
}

// yield keeps the reader from taking more while too much waits to be written: what it takes makes more to say.
func (c *conn) yield() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.yieldLocked()
}

func (c *conn) yieldLocked() error {
	for len(c.out) >= maxPending && c.failed == nil {
		c.room.Wait()
	}
	return c.failed
}

// giveBack lets the peer send n bytes more on the stream. It is told when that is worth a frame.
func (c *conn) giveBack(s *Stream, n int) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.owed += n; s.owed >= streamWindow/4 && !s.half && s.gone == nil && c.failed == nil {
		s.room += s.owed
		c.out = appendWindow(c.out, s.id, s.owed)
		s.owed = 0
		c.notify()
	}
}

// send puts framed messages of a stream into the connection's buffer, as far as the windows let it, and waits for the
// rest. The first piece takes the response's headers with it.
func (c *conn) send(s *Stream, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.notify()
	var stall *time.Timer
	stalled := false
	for {
		switch {
		case s.gone != nil:
			return s.gone
		case c.failed != nil:
			return errPeer
		case s.ctx.Err() != nil:
			return errTimeout
		case stalled:
			return errStalled
		}
		if !s.headed {
			s.headed = true
			c.out = appendFrame(c.out, http2.FrameHeaders, http2.FlagHeadersEndHeaders, s.id, len(okHeaders))
			c.out = append(c.out, okHeaders...)
		}
		left := len(b)
		for len(b) > 0 && len(c.out) < maxPending {
			n := min(len(b), c.frame, int(min(s.credit, c.credit)))
			if n <= 0 {
				break
			}
			c.out = appendFrame(c.out, http2.FrameData, 0, s.id, n)
			c.out = append(c.out, b[:n]...)
			b = b[n:]
			s.credit -= int64(n)
			c.credit -= int64(n)
		}
		if len(b) == 0 {
			return nil
		}
		if stall != nil && len(b) < left {
			stall.Reset(c.server.cfg.Stall)
		}
		if stall == nil {
			stall = time.AfterFunc(c.server.cfg.Stall, func() {
				c.mu.Lock()
				stalled = true
				c.room.Broadcast()
				c.mu.Unlock()
			})
			defer stall.Stop()
		}
		c.notify()
		c.room.Wait()
	}
}

// finish ends a stream with its method's status.
func (c *conn) finish(s *Stream, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, s.id)
	if s.gone == nil && c.failed == nil {
		c.appendEnd(s, err)
	}
	if s.gone == nil || c.over() {
		c.notify()
	}
}

// appendEnd sends a status. A peer that has not half-closed is told that nothing more is read (RFC 9113, section 8.1).
func (c *conn) appendEnd(s *Stream, err error) {
	at := len(c.out)
	c.out = appendFrame(c.out, http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, s.id, 0)
	if !s.headed {
		s.headed = true
		c.out = append(c.out, okHeaders...)
	}
	c.out = appendStatus(c.out, status.Convert(err))
	setLength(c.out[at:], len(c.out)-at-frameHead)
	if !s.half {
		c.out = appendReset(c.out, s.id, http2.ErrCodeNo)
	}
}

// frameHead is the length of a frame's head.
const frameHead = 9

func appendFrame(b []byte, kind http2.FrameType, flags http2.Flags, id uint32, length int) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	return binary.BigEndian.AppendUint32(b, id)
}

func setLength(frame []byte, length int) {
	frame[0], frame[1], frame[2] = byte(length>>16), byte(length>>8), byte(length)
}

func appendWindow(b []byte, id uint32, n int) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, http2.FrameWindowUpdate, 0, id, 4), uint32(n)) //nolint:gosec // at most a window
}

func appendReset(b []byte, id uint32, code http2.ErrCode) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, http2.FrameRSTStream, 0, id, 4), uint32(code))
}

func appendPing(b []byte, data [8]byte, ack bool) []byte {
	var flags http2.Flags
	if ack {
		flags = http2.FlagPingAck
	}
	return append(appendFrame(b, http2.FramePing, flags, 0, len(data)), data[:]...)
}

func appendGoAway(b []byte, last uint32, code http2.ErrCode) []byte {
	b = binary.BigEndian.AppendUint32(appendFrame(b, http2.FrameGoAway, 0, 0, 8), last)
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

func appendSettingsAck(b []byte) []byte {
	return appendFrame(b, http2.FrameSettings, http2.FlagSettingsAck, 0, 0)
}

// appendSettings says what the peer may do, and opens the connection's window beyond its first size.
func appendSettings(b []byte, streams int) []byte {
	all := []http2.Setting{
		{ID: http2.SettingMaxConcurrentStreams, Val: uint32(streams)}, //nolint:gosec // a positive limit
		{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		{ID: http2.SettingMaxFrameSize, Val: maxFrame},
		{ID: http2.SettingMaxHeaderListSize, Val: maxHeaders},
	}
	b = appendFrame(b, http2.FrameSettings, 0, 0, 6*len(all))
	for _, s := range all {
		b = binary.BigEndian.AppendUint16(b, uint16(s.ID))
		b = binary.BigEndian.AppendUint32(b, s.Val)
	}
	return appendWindow(b, 0, connWindow-65535)
}

// okHeaders is a gRPC response's headers in HPACK, without the dynamic table and so the same for each: ":status: 200" is
// entry 8 of the static table, "content-type" the name of entry 31 (RFC 7541, sections 6.1 and 6.2.2).
var okHeaders = appendLiteral([]byte{0x88, 0x0f, 31 - 15}, "application/grpc")

// appendLiteral is a string without Huffman coding (RFC 7541, section 5.2).
func appendLiteral(b []byte, s string) []byte {
	n := len(s)
	if n < 127 {
		return append(append(b, byte(n)), s...)
	}
	b = append(b, 127)
	for n -= 127; n >= 128; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(append(b, byte(n)), s...)
}

// appendStatus is a status as headers that are not indexed, with new names.
func appendStatus(b []byte, s *status.Status) []byte {
	b = appendLiteral(append(b, 0), "grpc-status")
	b = appendLiteral(b, codeText(s.Code()))
	if s.Message() != "" {
		b = appendLiteral(append(b, 0), "grpc-message")
		b = appendLiteral(b, percent(s.Message()))
	}
	return b
}
