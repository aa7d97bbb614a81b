package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// maxBatch is about how many bytes are gathered into one write.
	maxBatch = 256 << 10
	// maxPooled is the largest line buffer that is kept for another line.
	maxPooled = 16 << 10
)

// writer is the goroutine's own state.
type writer struct {
	*File
	batch []byte // taken from the queue and not yet written
	timer *time.Timer
}

func (f *File) run() {
	w := writer{File: f, timer: time.NewTimer(0)}
	for w.round() {
	}
	close(f.ended)
	f.done <- errors.Join(w.drain(), f.closeTo())
}

// round waits for lines and writes them; false when the sink is being closed.
func (w *writer) round() bool {
	select {
	case line := <-w.queue:
		w.add(line)
	case <-w.quit:
		return false
	}
	// Sleep, so that lines which arrive meanwhile cost neither a wake-up nor a system call of their own.
	if len(w.queue) < cap(w.queue)/2 && !w.sleep(w.cfg.Linger) {
		return false
	}
	w.gather()
	for w.write() != nil {
		if !w.sleep(w.cfg.Retry) {
			return false
		}
	}
	return true
}

// drain writes everything that was taken, trying each piece once more, and says what it could not write.
func (w *writer) drain() error {
	for {
		w.gather()
		if len(w.batch) == 0 {
			return nil
		}
		if err := w.write(); err != nil {
			lost := len(w.batch)
			for w.batch = w.batch[:0]; len(w.queue) > 0; {
				lost += (<-w.queue).Len()
			}
			return fmt.Errorf("audit: %d bytes of lines could not be written: %w", lost, err)
		}
	}
}

// sleep is false when the sink is being closed.
func (w *writer) sleep(d time.Duration) bool {
	w.timer.Reset(d)
	select {
	case <-w.timer.C:
		return true
	case <-w.quit:
		w.timer.Stop()
		return false
	}
}

func (w *writer) add(line *bytes.Buffer) {
	w.batch = append(w.batch, line.Bytes()...)
	if line.Cap() <= maxPooled {
		w.pool.Put(line)
	}
}

// gather adds the lines that wait, up to a batch.
func (w *writer) gather() {
	for len(w.batch) < maxBatch {
		select {
		case line := <-w.queue:
			w.add(line)
		default:
			return
		}
	}
}

// write writes the batch; what a failing write has left stays in it.
func (w *writer) write() error {
	n, err := w.cfg.To.Write(w.batch)
	n = min(max(n, 0), len(w.batch))
	w.batch = append(w.batch[:0], w.batch[n:]...)
	if err == nil && len(w.batch) > 0 {
		err = io.ErrShortWrite
	}
	if err == nil {
		w.failing.Store(nil)
		return nil
	}
	if w.failing.Swap(&err) == nil {
		w.cfg.Failed(err)
	}
	return err
}

func (f *File) closeTo() error {
	if s, ok := f.cfg.To.(interface{ Sync() error }); ok {
		_ = s.Sync() // what is no disk file cannot be synced, and need not be
	}
	if c, ok := f.cfg.To.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
