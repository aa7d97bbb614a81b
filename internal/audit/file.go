package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrFull says that the writer did not keep up and the line was not taken.
	ErrFull = errors.New("audit: the queue is full")
	// ErrClosed says that the sink was closed before the line was taken.
	ErrClosed = errors.New("audit: closed")
	// ErrFailing says that lines cannot be written at present; the line was not taken.
	ErrFailing = errors.New("audit: lines cannot be written")
)

// Config says where lines go. The zero value of everything but To has a default.
type Config struct {
	To     io.Writer     // where lines are written; closed with the sink if it can be closed
	Queue  int           // lines that may wait, default 8192
	Wait   time.Duration // how long Write waits for room, default 1 s
	Linger time.Duration // how long lines are gathered, default 5 ms
	Retry  time.Duration // between tries while writing fails, default 100 ms
	Failed func(error)   // told of every line that Write did not take and every write that failed; may be nil
}

// File is a Sink that appends lines to a file.
type File struct {
	cfg     Config
	queue   chan *bytes.Buffer
	quit    chan struct{} // closed by Close
	ended   chan struct{} // closed when lines queued from now on may not be written
	done    chan error    // the writer's last word
	failing atomic.Pointer[error]
	close   func() error
	pool    sync.Pool
}

// Open appends to a file, which is made with mode 0600 when there is none; "-" is the standard output.
func Open(file string) (*File, error) { return OpenWith(file, Config{}) }

// OpenWith is Open with a configuration, whose To is set here.
func OpenWith(file string, cfg Config) (*File, error) {
	if file == "-" {
		cfg.To = struct{ io.Writer }{os.Stdout} // never closed
		return New(cfg), nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	if err := endLine(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("audit: %w", err)
	}
	cfg.To = f
	return New(cfg), nil
}

// endLine ends a line that a crash left unfinished, so that the next one is not glued to it.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = f.Write([]byte{'\n'})
	return err
}

// New starts the writer.
func New(cfg Config) *File {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&cfg.Wait, time.Second)
	def(&cfg.Linger, 5*time.Millisecond)
	def(&cfg.Retry, 100*time.Millisecond)
	if cfg.Queue <= 0 {
		cfg.Queue = 8192
	}
	if cfg.Failed == nil {
		cfg.Failed = func(error) {}
	}
	f := &File{
		cfg: cfg, queue: make(chan *bytes.Buffer, cfg.Queue),
		quit: make(chan struct{}), ended: make(chan struct{}), done: make(chan error, 1),
	}
	f.pool.New = func() any { return new(bytes.Buffer) }
	f.close = sync.OnceValue(func() error {
		close(f.quit)
		return <-f.done
	})
	go f.run()
	return f
}

// Write takes a record. When it returns nil the line will be written, or Close will say that it was not.
func (f *File) Write(r *Record) error {
	err := f.write(r)
	if err != nil {
		f.cfg.Failed(err)
	}
	return err
}

func (f *File) write(r *Record) error {
	if f.failing.Load() != nil {
		return ErrFailing
	}
	b := f.pool.Get().(*bytes.Buffer)
	b.Reset()
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	select {
	case f.queue <- b:
	default:
		if err := f.waitForRoom(b); err != nil {
			return err
		}
	}
	// A line queued before this channel is closed is among those that the writer takes after closing it.
	select {
	case <-f.ended:
		return ErrClosed
	default:
		return nil
	}
}

func (f *File) waitForRoom(b *bytes.Buffer) error {
	timer := time.NewTimer(f.cfg.Wait)
	defer timer.Stop()
	select {
	case f.queue <- b:
		return nil
	case <-f.ended:
		return ErrClosed
	case <-timer.C:
		return ErrFull
	}
}

// Ready says whether lines can be written at present.
func (f *File) Ready() error {
	if err := f.failing.Load(); err != nil {
		return fmt.Errorf("audit: %w", *err)
	}
	return nil
}

// Close writes what is left and stops the writer. It may be called more than once.
func (f *File) Close() error { return f.close() }
