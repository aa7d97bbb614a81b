package edge

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/sse"
)

// writeWait is how long a client may take to read what is written to it.
const writeWait = 30 * time.Second

// errGone is a client that hears nothing any more.
var errGone = errors.New("edge: the client is gone")

// responder answers one POST: by one JSON document, or, when something has to be said before, by server-sent events. Its methods
// may be called from several goroutines.
type responder struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	keepalive time.Duration

	mu     sync.Mutex
	events bool // the answer is a stream
	done   bool
	spoke  time.Time
	timer  *time.Timer
	buf    []byte
}

// respond begins an answer; close must be called.
func respond(w http.ResponseWriter, keepalive time.Duration) *responder {
	r := &responder{w: w, control: http.NewResponseController(w), keepalive: keepalive, spoke: time.Now()}
	r.mu.Lock() // beat reads the timer
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(keepalive, r.beat)
	return r
}

// beat breaks a long silence, so that nobody between takes the connection for dead.
func (r *responder) beat() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return
	}
	if time.Since(r.spoke) >= r.keepalive {
		_ = r.write(sse.AppendComment(r.buf[:0], "waiting")) // a client that is gone cancels the request
	}
	r.timer.Reset(r.keepalive)
}

// send says a message before the answer.
func (r *responder) send(message []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return errGone
	}
	return r.write(sse.AppendEvent(r.buf[:0], "message", message))
}

// open makes the answer a stream at once.
func (r *responder) open() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.write(sse.AppendComment(r.buf[:0], "open"))
}

// write makes the answer a stream, if it is none yet, and writes to it.
func (r *responder) write(event []byte) error {
	r.buf = event
	if !r.events {
		r.events = true
		h := r.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no")
		r.w.WriteHeader(http.StatusOK)
	}
	r.spoke = time.Now()
	_ = r.control.SetWriteDeadline(r.spoke.Add(writeWait)) // some writers of tests have none
	if _, err := r.w.Write(event); err != nil {
		r.done = true
		return errGone
	}
	return r.control.Flush()
}

// finish answers. The status is lost when the answer is a stream already.
func (r *responder) finish(status int, message []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return
	}
	if r.events {
		_ = r.write(sse.AppendEvent(r.buf[:0], "message", message)) // a client that is gone needs no answer
	} else {
		r.w.Header().Set("Content-Type", "application/json")
		r.w.WriteHeader(status)
		_, _ = r.w.Write(message)
	}
	r.done = true
}

// finishAll answers a batch: in one list, or one by one when the answer is a stream already. A nil is no answer.
func (r *responder) finishAll(messages [][]byte) {
	messages = slices.DeleteFunc(messages, func(m []byte) bool { return m == nil })
	r.mu.Lock()
	events := r.events
	r.mu.Unlock()
	if !events {
		list := append([]byte{'['}, bytes.Join(messages, []byte(","))...)
		r.finish(http.StatusOK, append(list, ']'))
		return
	}
	for _, m := range messages {
		if r.send(m) != nil {
			return
		}
	}
}

// accept answers that a message was taken and that there is nothing to say.
func (r *responder) accept() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.done && !r.events {
		r.w.WriteHeader(http.StatusAccepted)
	}
	r.done = true
}

// close ends it; nothing is written to the client from then on.
func (r *responder) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
	r.timer.Stop()
}
