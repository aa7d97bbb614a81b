package bidi

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Handler is one method. It returns when the stream is over; nil is the status OK, and any other error its gRPC status.
type Handler func(*Stream) error

// Config is what a server is made of. Every field but Metadata and TLS is needed.
type Config struct {
	Methods    map[string]Handler // by path: /package.Service/Method
	Metadata   []string           // the names of the metadata that methods ask for; the rest is not kept
	MaxMessage int                // bytes of one message that is received
	MaxStreams int                // at once on one connection
	Stall      time.Duration      // how long a Send waits for a peer that takes nothing
	Log        *slog.Logger
	TLS        *tls.Config // nil serves in the clear
}

const (
	handshakeWait  = 10 * time.Second // for TLS, the preface and the first SETTINGS
	writeWait      = 20 * time.Second // for one write to a connection …
	lastWait       = time.Second      // … and for the last, when it ends
	keepaliveEvery = 30 * time.Second // without a byte from the peer, it is asked whether it lives …
	keepaliveWait  = 10 * time.Second // … and has so long to answer
)

// Server serves connections until Drain.
type Server struct {
	cfg  Config
	work chan *Stream  // to a goroutine that has nothing to do
	quit chan struct{} // closed when Drain has ended everything
	idle chan struct{} // one for each goroutine that may wait for work

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	draining  bool
	left      chan struct{} // closed when the last connection has gone while draining
	running   sync.WaitGroup
	once      sync.Once
}

// maxIdle is how many goroutines wait for streams. Those keep their stacks; in a burst there are more, which end with it.
const maxIdle = 256

// New makes a server, or says what is missing.
func New(cfg Config) (*Server, error) {
	if len(cfg.Methods) == 0 || cfg.MaxMessage <= 0 || cfg.MaxStreams <= 0 || cfg.Stall <= 0 || cfg.Log == nil {
		return nil, errors.New("bidi: the configuration has a part missing")
	}
	return &Server{
		cfg: cfg, work: make(chan *Stream), quit: make(chan struct{}), idle: make(chan struct{}, maxIdle), left: make(chan struct{}),
		listeners: map[net.Listener]struct{}{}, conns: map[*conn]struct{}{},
	}, nil
}

// Serve accepts connections until Drain, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	var pause time.Duration
	for {
		nc, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			draining := s.draining
			delete(s.listeners, l)
			s.mu.Unlock()
			if draining {
				return nil
			}
			var temporary interface{ Temporary() bool }
			if !errors.As(err, &temporary) || !temporary.Temporary() {
				return err
			}
			// Out of file descriptors, most likely: some will be free again.
			s.mu.Lock()
			s.listeners[l] = struct{}{}
			s.mu.Unlock()
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
			continue
		}
		pause = 0
		go s.connect(nc)
	}
}

// connect serves one connection.
func (s *Server) connect(nc net.Conn) {
	defer nc.Close()
	if s.cfg.TLS != nil {
		secured := tls.Server(nc, s.cfg.TLS)
		ctx, cancel := context.WithTimeout(context.Background(), handshakeWait)
		err := secured.HandshakeContext(ctx)
		cancel()
		if err == nil && secured.ConnectionState().NegotiatedProtocol != "h2" {
			err = errors.New("the peer did not offer h2 (ALPN)")
		}
		if err != nil {
			s.cfg.Log.Warn("a connection was refused", "from", nc.RemoteAddr().String(), "err", err)
			return
		}
		nc = secured
	}
	c := newConn(s, nc)
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	c.serve()
	s.mu.Lock()
	delete(s.conns, c)
	if s.draining && len(s.conns) == 0 {
		s.once.Do(func() { close(s.left) })
	}
	s.mu.Unlock()
}

// Drain takes no new connections and no new streams, and lets the open ones end until ctx is over; then it ends them with
// an error. It returns when all is over.
func (s *Server) Drain(ctx context.Context) {
	s.mu.Lock()
	again := s.draining
	s.draining = true
	for l := range s.listeners {
		l.Close()
	}
	open := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	if len(s.conns) == 0 {
		s.once.Do(func() { close(s.left) })
	}
	s.mu.Unlock()
	for _, c := range open {
		c.drain()
	}
	select {
	case <-s.left:
	case <-ctx.Done():
		for _, c := range open {
			c.end(errStopped)
		}
		<-s.left
	}
	s.running.Wait() // no stream can begin any more, and those that were ended see it at their next wait
	if !again {
		close(s.quit)
	}
}

// start runs a stream's method on a goroutine that waits for work, or on a new one.
func (s *Server) start(st *Stream) {
	s.running.Add(1)
	select {
	case s.work <- st:
	default:
		go s.worker(st)
	}
}

// worker runs streams as long as there are some and few enough others wait for them.
func (s *Server) worker(st *Stream) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var scratch []byte
	for {
		st.timer, st.scratch = timer, scratch
		st.run()
		s.running.Done()
		scratch = st.scratch
		select {
		case s.idle <- struct{}{}:
		default:
			return
		}
		select {
		case st = <-s.work:
			<-s.idle
		case <-s.quit:
			<-s.idle
			return
		}
	}
}
