package bidi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// raw is a message of bytes, for the server and, as a codec, for grpc-go's client.
type raw []byte

func (r raw) Append(b []byte) []byte { return append(b, r...) }

type rawCodec struct{}

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(b)
	return nil
}

// methods are what the tests call.
var methods = map[string]Handler{
	"/t/Echo": func(s *Stream) error {
		for {
			m, err := s.Recv(time.Minute)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := Send(s, []raw{m}); err != nil {
				return err
			}
		}
	},
	// Rouse is interrupted before and while it waits, and answers with the message that came in between.
	"/t/Rouse": func(s *Stream) error {
		s.Interrupt()
		s.Interrupt() // once is enough
		if _, err := s.Recv(time.Hour); !errors.Is(err, ErrWait) {
			return status.Errorf(codes.Internal, "the first: %v", err)
		}
		m, err := s.Recv(time.Minute)
		if err != nil {
			return status.Errorf(codes.Internal, "the second: %v", err)
		}
		go s.Interrupt() // nothing more comes
		if _, err := s.Recv(time.Hour); !errors.Is(err, ErrWait) {
			return status.Errorf(codes.Internal, "the third: %v", err)
		}
		return Send(s, []raw{m})
	},
	"/t/Fail":  func(*Stream) error { return status.Error(codes.Aborted, "100% of it: é\n") },
	"/t/Panic": func(*Stream) error { panic("broken") },
	"/t/Wait": func(s *Stream) error {
		_, err := s.Recv(10 * time.Millisecond)
		return status.Error(codes.OutOfRange, err.Error())
	},
	"/t/Said": func(s *Stream) error {
		return Send(s, []raw{raw(strings.Join(s.Metadata("x-said"), ",") + "|" + strings.Join(s.Metadata("x-other"), ","))})
	},
	"/t/Context": func(s *Stream) error {
		if err := Send(s, []raw{raw("here")}); err != nil {
			return err
		}
		<-s.Context().Done()
		return errors.New("over")
	},
}

// serve starts a server on a Unix socket and a client of it.
func serve(t *testing.T, change func(*Config)) (*Server, *grpc.ClientConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Methods: methods, Metadata: []string{"x-said"}, MaxMessage: 8 << 20, MaxStreams: 100, Stall: 30 * time.Second,
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	client, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Drain(ctx)
		if ctx.Err() != nil {
			t.Error("the server did not end by itself")
		}
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, client
}

var bidiDesc = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

// TestEcho plays grpc-go's client against us: messages of all sizes, many streams at once, both windows used up.
func TestEcho(t *testing.T) {
	_, client := serve(t, nil)
	var wg sync.WaitGroup
	for n := range 30 {
		wg.Go(func() {
			stream, err := client.NewStream(t.Context(), bidiDesc, "/t/Echo")
			if err != nil {
				t.Error(err)
				return
			}
			for i, size := range []int{0, 1, 5, 16379, 16384, 70000, n, 1 << 20, 3<<20 + n, 2} {
				sent := bytes.Repeat([]byte{byte(n), byte(i)}, size/2)
				if err := stream.SendMsg(&sent); err != nil {
					t.Error(err)
				}
				var got []byte
				if err := stream.RecvMsg(&got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("stream %d, message %d: %d bytes of %d, %v", n, i, len(got), len(sent), err)
					return
				}
			}
			if err := stream.CloseSend(); err != nil {
				t.Error(err)
			}
			var none []byte
			if err := stream.RecvMsg(&none); !errors.Is(err, io.EOF) {
				t.Errorf("the stream ended with %v", err)
			}
		})
	}
	wg.Wait()
}

// TestAhead sends far more than the windows take before it reads anything.
func TestAhead(t *testing.T) {
	_, client := serve(t, nil)
	stream, err := client.NewStream(t.Context(), bidiDesc, "/t/Echo")
	if err != nil {
		t.Fatal(err)
	}
	const messages = 300
	go func() {
		for i := range messages {
			m := bytes.Repeat([]byte{byte(i)}, 50000)
			if err := stream.SendMsg(&m); err != nil {
				t.Error(err)
				return
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
	}()
	time.Sleep(50 * time.Millisecond)
	for i := range messages {
		var got []byte
		if err := stream.RecvMsg(&got); err != nil || len(got) != 50000 || got[0] != byte(i) {
			t.Fatalf("message %d: %d bytes, %v", i, len(got), err)
		}
	}
}

func TestStatuses(t *testing.T) {
	_, client := serve(t, nil)
	for method, want := range map[string]struct {
		code codes.Code
		text string
	}{
		"/t/Fail":  {codes.Aborted, "100% of it: é\n"},
		"/t/Panic": {codes.Internal, "the method broke"},
		"/t/None":  {codes.Unimplemented, "no such method is served here"},
		"/t/Wait":  {codes.OutOfRange, ErrWait.Error()},
	} {
		stream, err := client.NewStream(t.Context(), bidiDesc, method)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		err = stream.RecvMsg(&got)
		if status.Code(err) != want.code || status.Convert(err).Message() != want.text {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestMetadata(t *testing.T) {
	_, client := serve(t, nil)
	ctx := grpcmetadata.AppendToOutgoingContext(t.Context(), "x-said", "a", "x-said", "b", "x-other", "c")
	var none, got []byte
	if err := client.Invoke(ctx, "/t/Said", &none, &got); err != nil || string(got) != "a,b|" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestGone cancels at the client: the method's context ends at once.
func TestGone(t *testing.T) {
	over := make(chan struct{})
	s, client := serve(t, func(c *Config) {
		c.Methods = map[string]Handler{"/t/Context": func(s *Stream) error {
			defer close(over)
			return methods["/t/Context"](s)
		}}
	})
	_ = s
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.NewStream(ctx, bidiDesc, "/t/Context")
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	if err := stream.RecvMsg(&got); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-over:
	case <-time.After(5 * time.Second):
		t.Error("the method does not know that its peer has gone")
	}
}

// TestDeadline: the peer's own deadline ends the method here too.
func TestDeadline(t *testing.T) {
	ended := make(chan error, 1)
	_, client := serve(t, func(c *Config) {
		c.Methods = map[string]Handler{"/t/Recv": func(s *Stream) error {
			_, err := s.Recv(time.Minute)
			ended <- err
			return err
		}}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	stream, err := client.NewStream(ctx, bidiDesc, "/t/Recv")
	if err != nil {
		t.Fatal(err)
	}
	var none []byte
	if err := stream.RecvMsg(&none); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
	if err := <-ended; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the method saw %v", err)
	}
}

// TestMostStreams: a connection has so many streams at once; the client's next one waits for one of them.
func TestMostStreams(t *testing.T) {
	_, client := serve(t, func(c *Config) { c.MaxStreams = 3 })
	var open []grpc.ClientStream
	for range 3 {
		stream, err := client.NewStream(t.Context(), bidiDesc, "/t/Echo")
		if err != nil {
			t.Fatal(err)
		}
		m := []byte("x")
		if err := errors.Join(stream.SendMsg(&m), stream.RecvMsg(&m)); err != nil {
			t.Fatal(err)
		}
		open = append(open, stream)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := client.NewStream(ctx, bidiDesc, "/t/Echo"); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a fourth stream: %v", err)
	}
	if err := open[0].CloseSend(); err != nil {
		t.Fatal(err)
	}
	var none, said []byte
	if err := client.Invoke(t.Context(), "/t/Said", &none, &said); err != nil {
		t.Errorf("a stream after one has ended: %v", err)
	}
}

// TestDrain: open streams end as they like, new ones are not served, and what is left at the end gets an error.
func TestDrain(t *testing.T) {
	for _, patient := range []bool{true, false} {
		s, client := serve(t, nil)
		stream, err := client.NewStream(t.Context(), bidiDesc, "/t/Echo")
		if err != nil {
			t.Fatal(err)
		}
		echo := func(text string) error {
			sent, got := []byte(text), []byte(nil)
			if err := errors.Join(stream.SendMsg(&sent), stream.RecvMsg(&got)); err != nil {
				return err
			}
			if string(got) != text {
				return errors.New(string(got))
			}
			return nil
		}
		if err := echo("before"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		drained := make(chan struct{})
		go func() {
			s.Drain(ctx)
			close(drained)
		}()
		time.Sleep(100 * time.Millisecond)
		if err := echo("while"); err != nil {
			t.Errorf("an open stream was cut: %v", err)
		}
		late, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
		var none, got []byte
		if err := client.Invoke(late, "/t/Said", &none, &got); err == nil {
			t.Error("a new stream was served while draining")
		}
		stop()
		select {
		case <-drained:
			t.Fatal("drained with a stream open")
		default:
		}
		if !patient {
			cancel()
		} else if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		var end []byte
		err = stream.RecvMsg(&end)
		if patient && !errors.Is(err, io.EOF) || !patient && status.Code(err) != codes.Unavailable {
			t.Errorf("patient=%v: the stream ended with %v", patient, err)
		}
		<-drained
		cancel()
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a server without methods")
	}
}

// TestInterrupt: a Recv that waits, or the next one, returns when it is interrupted, and no message is lost by that.
func TestInterrupt(t *testing.T) {
	_, client := serve(t, nil)
	stream, err := client.NewStream(t.Context(), bidiDesc, "/t/Rouse")
	if err != nil {
		t.Fatal(err)
	}
	sent, got := []byte("what came"), []byte(nil)
	if err := stream.SendMsg(&sent); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&got); err != nil || string(got) != "what came" {
		t.Errorf("%q %v", got, err)
	}
}
