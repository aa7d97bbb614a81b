package policies

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// errClosed is an answer of an engine that was closed.
var errClosed = errors.New("policies: closed")

// workers are the goroutines that evaluate. Evaluation recurses deeply; a goroutine of a new gRPC stream would grow its
// stack, copying it again and again, for each exchange (measured: a third of our CPU). These keep theirs, and their
// number bounds how many evaluations compete for the CPUs.
type workers struct {
	jobs chan func()
	quit chan struct{}
	once sync.Once
}

func newWorkers() *workers {
	w := &workers{jobs: make(chan func()), quit: make(chan struct{})}
	for range max(4, 2*runtime.GOMAXPROCS(0)) {
		go w.run()
	}
	return w
}

func (w *workers) run() {
	deepen()
	for {
		select {
		case job := <-w.jobs:
			job()
		case <-w.quit:
			return
		}
	}
}

// deepen grows the stack once, by a frame that needs it.
//
//go:noinline
func deepen() byte {
	var frame [64 << 10]byte
	return frame[len(frame)-1]
}

// do runs job and waits for it. It waits for a free worker no longer than wait, and then has not run it.
func (w *workers) do(ctx context.Context, wait time.Duration, job func()) error {
	done := make(chan struct{})
	task := func() {
		defer close(done)
		job()
	}
	select {
	case <-w.quit:
		return errClosed
	case w.jobs <- task:
	default:
		late := time.NewTimer(wait)
		defer late.Stop()
		select {
		case w.jobs <- task:
		case <-w.quit:
			return errClosed
		case <-ctx.Done():
			return fmt.Errorf("policies: %w", ctx.Err())
		case <-late.C:
			return fmt.Errorf("%w: every worker is busy", ErrLate)
		}
	}
	<-done
	return nil
}

// stop ends the workers; a job under way is finished.
func (w *workers) stop() { w.once.Do(func() { close(w.quit) }) }
