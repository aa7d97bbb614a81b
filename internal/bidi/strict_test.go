package bidi

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer is a client that says what it likes.
type peer struct {
	t     testing.TB
	net   net.Conn
	f     *http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
}

// meet connects a peer to a server of its own, over a pipe; the server's preamble is read and forgotten.
func meet(t testing.TB, change func(*Config)) (*peer, *Server, chan struct{}) {
	t.Helper()
	cfg := Config{Methods: methods, MaxMessage: 1 << 20, MaxStreams: 4, Stall: time.Second, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	gone := make(chan struct{})
	go func() {
		s.connect(there)
		close(gone)
	}()
	p := &peer{t: t, net: here, f: http2.NewFramer(here, here)}
	p.f.AllowIllegalWrites = true
	p.enc = hpack.NewEncoder(&p.block)
	return p, s, gone
}

func (p *peer) begin() {
	_, _ = io.WriteString(p.net, http2.ClientPreface)
	_ = p.f.WriteSettings()
}

func (p *peer) headers(id uint32, end bool, pairs ...string) {
	_ = p.f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.encode(pairs...), EndHeaders: true, EndStream: end})
}

func (p *peer) encode(pairs ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		if err := p.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}); err != nil {
			p.t.Fatal(err)
		}
	}
	return bytes.Clone(p.block.Bytes())
}

// call opens a stream with a method.
func (p *peer) call(id uint32, method string, more ...string) {
	p.headers(id, false, append([]string{
		":method", "POST", ":scheme", "http", ":path", method, ":authority", "x", "content-type", "application/grpc", "te", "trailers",
	}, more...)...)
}

func message(text string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))
	return append(b, text...)
}

// outcome is what the server said that matters: the code of GOAWAY, of RST_STREAM, or a grpc-status.
type outcome struct {
	away, reset http2.ErrCode
	status      string
	data        string
}

const none = http2.ErrCode(0xff)

// listen reads what the server says until it closes or, with until, until that is so.
func (p *peer) listen(until func(outcome) bool) outcome {
	out := outcome{away: none, reset: none}
	dec := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == "grpc-status" {
			out.status = f.Value
		}
	})
	for until == nil || !until(out) {
		f, err := p.f.ReadFrame()
		if err != nil {
			return out
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			out.away = f.ErrCode
		case *http2.RSTStreamFrame:
			out.reset = f.ErrCode
		case *http2.HeadersFrame:
			_, _ = dec.Write(f.HeaderBlockFragment())
		case *http2.DataFrame:
			out.data += string(f.Data())
		}
	}
	return out
}

// TestStrict breaks one rule at a time. Whatever ends here ends with an error, and never by a guess.
func TestStrict(t *testing.T) {
	protocol := outcome{away: http2.ErrCodeProtocol, reset: none}
	stream := func(code string) outcome { return outcome{away: none, reset: http2.ErrCodeNo, status: code} }
	for _, c := range []struct {
		name string
		say  func(p *peer)
		want outcome
	}{
		{"another preface", func(p *peer) { _, _ = io.WriteString(p.net, "GET / HTTP/1.1\r\nhost: x\r\n\r\n\r\n") }, protocol},
		{"no settings first", func(p *peer) {
			_, _ = io.WriteString(p.net, http2.ClientPreface)
			_ = p.f.WritePing(false, [8]byte{})
		}, protocol},
		{"an even stream", func(p *peer) { p.begin(); p.call(2, "/t/Echo") }, protocol},
		{"stream 0", func(p *peer) { p.begin(); _ = p.f.WriteData(0, false, nil) }, protocol},
		{"data on an idle stream", func(p *peer) { p.begin(); _ = p.f.WriteData(1, false, []byte("x")) }, protocol},
		{"a reset of an idle stream", func(p *peer) { p.begin(); _ = p.f.WriteRSTStream(1, http2.ErrCodeCancel) }, protocol},
		{"a window of an idle stream", func(p *peer) { p.begin(); _ = p.f.WriteWindowUpdate(1, 5) }, protocol},
		{"a push promise", func(p *peer) {
			p.begin()
			_ = p.f.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true})
		}, protocol},
		{"a continuation of nothing", func(p *peer) { p.begin(); _ = p.f.WriteContinuation(1, true, nil) }, protocol},
		{"a wrong block", func(p *peer) {
			p.begin()
			_ = p.f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
		}, outcome{away: http2.ErrCodeCompression, reset: none}},
		{"too many headers", func(p *peer) {
			p.begin()
			b := p.encode("x-long", string(bytes.Repeat([]byte{0x01}, 20<<10)))
			_ = p.f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b})
			_ = p.f.WriteContinuation(1, false, b)
		}, outcome{away: http2.ErrCodeEnhanceYourCalm, reset: none}},
		{"a wrong setting", func(p *peer) {
			p.begin()
			_ = p.f.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1})
		}, protocol},
		{"a window too wide", func(p *peer) {
			p.begin()
			_ = p.f.WriteWindowUpdate(0, 1<<31-1)
		}, outcome{away: http2.ErrCodeFlowControl, reset: none}},
		{"more than the window", func(p *peer) {
			p.begin()
			p.call(1, "/t/Context") // which receives nothing
			_ = p.f.WriteData(1, false, message(string(make([]byte, 400<<10))))
			_ = p.f.WriteData(1, false, message(string(make([]byte, 400<<10))))
			_ = p.f.WriteData(1, false, message(string(make([]byte, 400<<10))))
		}, outcome{away: http2.ErrCodeFlowControl, reset: none, data: string(message("here"))}},
		{"data after its end", func(p *peer) {
			p.begin()
			p.call(1, "/t/Context")
			_ = p.f.WriteData(1, true, nil)
			_ = p.f.WriteData(1, true, nil)
		}, outcome{away: http2.ErrCodeStreamClosed, reset: none, data: string(message("here"))}},
		{"headers twice", func(p *peer) {
			p.begin()
			p.call(1, "/t/Echo")
			p.call(1, "/t/Echo")
		}, protocol},
		{"no POST", func(p *peer) {
			p.begin()
			p.headers(1, true, ":method", "GET", ":scheme", "http", ":path", "/t/Echo", "content-type", "application/grpc")
		}, outcome{away: none, reset: http2.ErrCodeProtocol}},
		{"no gRPC", func(p *peer) {
			p.begin()
			p.headers(1, true, ":method", "POST", ":scheme", "http", ":path", "/t/Echo", "content-type", "application/json")
		}, outcome{away: none, reset: http2.ErrCodeProtocol}},
		{"two paths", func(p *peer) { p.begin(); p.call(1, "/t/Echo", ":path", "/t/Fail") }, outcome{away: none, reset: http2.ErrCodeProtocol}},
		{"an upper case name", func(p *peer) { p.begin(); p.call(1, "/t/Echo", "X-A", "b") }, outcome{away: none, reset: http2.ErrCodeProtocol}},
		{"a connection's header", func(p *peer) { p.begin(); p.call(1, "/t/Echo", "connection", "close") }, outcome{away: none, reset: http2.ErrCodeProtocol}},
		{"too many streams", func(p *peer) {
			p.begin()
			for i := range uint32(5) {
				p.call(2*i+1, "/t/Echo")
			}
		}, outcome{away: none, reset: http2.ErrCodeRefusedStream}},
		{"a compression", func(p *peer) { p.begin(); p.call(1, "/t/Echo", "grpc-encoding", "gzip") }, stream("12")},
		{"no number of a timeout", func(p *peer) { p.begin(); p.call(1, "/t/Echo", "grpc-timeout", "5x") }, stream("13")},
		{"a compressed message", func(p *peer) {
			p.begin()
			p.call(1, "/t/Echo")
			_ = p.f.WriteData(1, false, []byte{1, 0, 0, 0, 0})
		}, stream("12")},
		{"too large a message", func(p *peer) {
			p.begin()
			p.call(1, "/t/Echo")
			_ = p.f.WriteData(1, false, []byte{0, 0, 16, 0, 1})
		}, stream("8")},
		{"an end in the middle", func(p *peer) {
			p.begin()
			p.call(1, "/t/Echo")
			_ = p.f.WriteData(1, true, []byte{0, 0, 0, 0, 2, 'x'})
		}, outcome{away: none, reset: none, status: "13"}},
		{"trailers and padding, as they may be", func(p *peer) {
			p.begin()
			p.call(1, "/t/Echo")
			_ = p.f.WriteDataPadded(1, false, message("hello"), make([]byte, 9))
			p.headers(1, true, "x-trailer", "1")
		}, outcome{away: none, reset: none, status: "0", data: string(message("hello"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, s, gone := meet(t, nil)
			said := make(chan struct{})
			go func() {
				c.say(p)
				close(said)
			}()
			got := p.listen(func(o outcome) bool {
				if c.want.away != none {
					return o.away != none
				}
				return o == c.want
			})
			if c.want.away != none {
				got.data = c.want.data
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			p.net.Close()
			<-gone
			<-said
			s.Drain(t.Context())
		})
	}
}

// TestSilent: a peer that says nothing is asked, and left.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, gone := meet(t, nil)
		go p.begin()
		began := time.Now()
		pings := 0
		for {
			f, err := p.f.ReadFrame()
			if err != nil {
				break
			}
			if _, ok := f.(*http2.PingFrame); ok {
				pings++
			}
		}
		<-gone
		if waited := time.Since(began); pings == 0 || waited < keepaliveEvery || waited > 3*keepaliveEvery {
			t.Errorf("left after %v and %d pings", waited, pings)
		}
		p.net.Close()
	})
}

// TestNoPreface: who connects and says nothing at all is left sooner.
func TestNoPreface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, gone := meet(t, nil)
		go func() { _, _ = io.Copy(io.Discard, p.net) }()
		began := time.Now()
		<-gone
		if waited := time.Since(began); waited > handshakeWait+writeWait {
			t.Errorf("left after %v", waited)
		}
		p.net.Close()
	})
}

// TestStall: a method whose peer opens no window is given back its goroutine.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		p, s, gone := meet(t, func(c *Config) {
			c.Methods = map[string]Handler{"/t/Much": func(s *Stream) error {
				err := Send(s, []raw{make([]byte, 1<<20)})
				ended <- err
				return err
			}}
		})
		go p.listen(nil)
		p.begin()
		p.call(1, "/t/Much")
		began := time.Now()
		if err := <-ended; err == nil || time.Since(began) != time.Second {
			t.Errorf("Send returned %v after %v", err, time.Since(began))
		}
		p.net.Close()
		<-gone
		s.Drain(t.Context())
	})
}

// FuzzConn says anything at all. Nothing panics, every method that began returns, and the connection is over.
func FuzzConn(f *testing.F) {
	seed := func(say func(p *peer)) {
		var b bytes.Buffer
		p := &peer{t: f, f: http2.NewFramer(&b, nil)}
		p.f.AllowIllegalWrites = true
		p.enc = hpack.NewEncoder(&p.block)
		_ = p.f.WriteSettings()
		say(p)
		f.Add(b.Bytes())
	}
	seed(func(p *peer) {
		p.call(1, "/t/Echo")
		_ = p.f.WriteDataPadded(1, false, message("hello"), make([]byte, 3))
		p.call(3, "/t/Context", "grpc-timeout", "1m")
		_ = p.f.WriteRSTStream(3, http2.ErrCodeCancel)
		_ = p.f.WriteWindowUpdate(1, 100)
		_ = p.f.WriteWindowUpdate(0, 100)
		_ = p.f.WritePing(false, [8]byte{1})
		_ = p.f.WriteData(1, true, message("again")[:7])
	})
	seed(func(p *peer) {
		b := p.encode(":method", "POST", ":path", "/t/Fail", "content-type", "application/grpc+proto")
		_ = p.f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:5]})
		_ = p.f.WriteContinuation(1, true, b[5:])
		_ = p.f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 20000})
		_ = p.f.WriteGoAway(0, http2.ErrCodeNo, nil)
	})
	f.Fuzz(func(t *testing.T, said []byte) {
		var running sync.WaitGroup
		wrapped := map[string]Handler{}
		for name, h := range methods {
			wrapped[name] = func(s *Stream) error {
				running.Add(1)
				defer running.Done()
				return h(s)
			}
		}
		p, s, gone := meet(t, func(c *Config) { c.Methods = wrapped })
		go func() { _, _ = io.Copy(io.Discard, p.net) }()
		_, err := io.WriteString(p.net, http2.ClientPreface)
		if err == nil {
			_, _ = p.net.Write(said)
		}
		p.net.Close()
		<-gone
		running.Wait()
		s.Drain(context.Background())
	})
}
