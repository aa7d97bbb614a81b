package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

// On a pipe only responses say what they belong to. Progress is told by its token, what a listening call hears by its subscription;
// anything else that a server says or asks in the middle of a call belongs to that call if it is the only one that does not wait for
// an answer of its caller, and a question that may be several calls' is declined.

const (
	// queued is how many messages wait for a call that does not read; notifications in excess are dropped.
	queued = 256
	// lastWords is how long a server may take to end after its input did.
	lastWords = 2 * time.Second
)

// local is one process.
type local struct {
	of  *locals
	key string
	id  string // of its session
	p   *sandbox.Process
	out chan []byte // lines to be written

	ended chan struct{} // closed when nothing more comes
	once  sync.Once
	err   error // why; after ended

	mu      sync.Mutex
	greeted bool               // initialize was sent
	leaving bool               // it ends with its last call
	calls   map[string]*talk   // that wait for their response, by id
	hearing map[*talk]struct{} // of the server's own stream
	idle    *time.Timer
}

// talk is what a process says that belongs to one request, or to none.
type talk struct {
	l     *local
	ctx   context.Context
	id    rpc.ID // nil: the server's own stream
	token []byte // of its progress, as the caller has it; nil when there is none
	tell  bool   // the server is told when nobody waits any more
	asked bool   // its caller has a question to answer; under l.mu
	ch    chan *rpc.Message
}

func newLocal(o *locals, key, id string, p *sandbox.Process) *local {
	l := &local{
		of: o, key: key, id: id, p: p, out: make(chan []byte, 64), ended: make(chan struct{}),
		calls: map[string]*talk{}, hearing: map[*talk]struct{}{},
	}
	l.idle = time.AfterFunc(o.u.c.Idle, l.retire)
	go l.writes()
	go l.reads()
	go l.logs()
	return l
}

// greet tells whether a process was sent initialize before.
func (l *local) greet() (before bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.greeted = l.greeted, true
	return before
}

func (l *local) unused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls)+len(l.hearing) == 0
}

// retire ends a process that nobody uses.
func (l *local) retire() {
	if l.unused() {
		l.end(errors.New("it was idle"))
	}
}

// end lets a process end: first its input does, then it is killed. What waits for it fails.
func (l *local) end(why error) {
	l.once.Do(func() {
		l.of.mu.Lock()
		if l.of.running[l.key] == l {
			delete(l.of.running, l.key)
		}
		l.of.ending.Add(1) // while the lock is held, so that close waits for it
		l.of.mu.Unlock()
		l.err = why
		l.idle.Stop()
		close(l.ended)
		go func() {
			defer l.of.ending.Done()
			select {
			case <-l.p.Done():
			case <-time.After(lastWords):
			}
			l.p.Kill()
			<-l.p.Done()
			_ = l.p.Stdout.Close()
			_ = l.p.Stderr.Close()
		}()
	})
}

// failed is what a call reads of a process that has ended.
func (l *local) failed() error {
	if errors.Is(l.err, ErrInvalid) {
		return l.err
	}
	return fmt.Errorf("%w: its process has ended: %w", ErrUnavailable, l.err)
}

// write hands a line to the process.
func (l *local) write(ctx context.Context, doc []byte) error {
	select {
	case l.out <- oneLine(doc):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ended:
		return l.failed()
	}
}

// oneLine is a message as a line. JSON has line breaks between its tokens alone, where any other space will do.
func oneLine(doc []byte) []byte {
	out := append(bytes.Clone(doc), '\n')
	for i, b := range out[:len(doc)] {
		if b == '\n' || b == '\r' {
			out[i] = ' '
		}
	}
	return out
}

func (l *local) writes() {
	defer l.p.Stdin.Close()
	for {
		select {
		case line := <-l.out:
			if _, err := l.p.Stdin.Write(line); err != nil {
				l.end(err)
				return
			}
		case <-l.ended:
			return
		}
	}
}

// reads hands out what the process says, until it says nothing more, or something that is no message.
func (l *local) reads() {
	lines := bufio.NewScanner(l.p.Stdout)
	lines.Buffer(make([]byte, 0, 64<<10), l.of.u.c.BodyBytes+1)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		m, err := rpc.Parse(bytes.Clone(line), l.of.u.limits)
		if err != nil {
			l.of.u.c.Log.Warn("a local server wrote something else than a message to its standard output; it is ended", "server", l.of.u.c.Name, "err", err)
			l.end(fmt.Errorf("%w: %w", ErrInvalid, err))
			return
		}
		if err := l.deliver(m); err != nil {
			l.end(err)
			return
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		l.end(fmt.Errorf("%w: a message of more than %d bytes", ErrInvalid, l.of.u.c.BodyBytes))
		return
	}
	l.end(io.ErrUnexpectedEOF)
}

// deliver hands a message to the call that it belongs to. It never waits: an error is a process with which there is no talking.
func (l *local) deliver(m *rpc.Message) error {
	t := l.whose(m)
	switch {
	case m.Kind == rpc.Response && t != nil:
		t.ch <- m // there is a place for it: nothing else takes the last one, and it comes once
	case m.Kind == rpc.Request && t != nil && m.Method != protocol.Ping && len(t.ch) < queued-1:
		t.ch <- m
	case m.Kind == rpc.Request:
		select {
		case l.out <- oneLine(declined(m)):
		default:
			return fmt.Errorf("%w: it asks and does not read the answers", ErrInvalid)
		}
	case m.Kind == rpc.Notification && t != nil && len(t.ch) < queued-1:
		t.ch <- m
	case m.Kind == rpc.Notification && t == nil:
		l.mu.Lock()
		defer l.mu.Unlock()
		for t := range l.hearing {
			if len(t.ch) < queued {
				t.ch <- m
			}
		}
	}
	return nil
}

// whose finds the call that a message belongs to; nil when it is no one's.
func (l *local) whose(m *rpc.Message) *talk {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case m.Kind == rpc.Response:
		t := l.calls[m.ID.Key()]
		if t != nil {
			delete(l.calls, m.ID.Key())
			l.idle.Reset(l.of.u.c.Idle)
		}
		return t
	case m.Kind == rpc.Notification:
		if of := rpc.Raw(m.Params, "_meta", protocol.MetaSubscription); of != nil {
			return l.calls[rpc.ID(of).Key()]
		}
		if token := rpc.Raw(m.Params, protocol.MetaProgressToken); token != nil {
			return l.progress(m, token)
		}
		if m.Method != protocol.NotifyMessage {
			return nil
		}
	}
	var one *talk
	for _, t := range l.calls {
		switch {
		case t.asked: // the server waits for its caller
		case one != nil:
			return nil
		default:
			one = t
		}
	}
	return one
}

// progress finds the call of a token and gives the token back its caller's form; l.mu is held.
func (l *local) progress(m *rpc.Message, token []byte) *talk {
	t := l.calls[rpc.ID(token).Key()]
	if t == nil || t.token == nil {
		return nil
	}
	params, err := rpc.Change(m.Params).Set(t.token, protocol.MetaProgressToken).Bytes()
	if err != nil {
		return nil
	}
	m.Params = params
	return t
}

// logs reads what the process says to people.
func (l *local) logs() {
	lines := bufio.NewReaderSize(l.p.Stderr, 4096)
	for {
		line, _, err := lines.ReadLine()
		if len(line) > 0 {
			l.of.u.c.Log.Debug("a local server says", "server", l.of.u.c.Name, "line", string(bytes.ToValidUTF8(line, []byte("?"))))
		}
		if err != nil {
			return
		}
	}
}

func (t *talk) next() (*rpc.Message, error) {
	t.asks(false)
	m, err := t.read()
	if err == nil && m.Kind == rpc.Request {
		t.asks(true)
	}
	return m, err
}

func (t *talk) asks(now bool) {
	t.l.mu.Lock()
	t.asked = now
	t.l.mu.Unlock()
}

func (t *talk) read() (*rpc.Message, error) {
	select {
	case m := <-t.ch:
		return m, nil
	default:
	}
	select {
	case m := <-t.ch:
		return m, nil
	case <-t.ctx.Done():
		return nil, t.ctx.Err()
	case <-t.l.ended:
	}
	select {
	case m := <-t.ch: // what came before the end counts
		return m, nil
	default:
		return nil, t.l.failed()
	}
}

func (t *talk) close() {
	l := t.l
	l.mu.Lock()
	key := t.id.Key()
	waits := t.id != nil && l.calls[key] == t
	if waits {
		delete(l.calls, key)
	}
	delete(l.hearing, t)
	l.idle.Reset(l.of.u.c.Idle)
	l.mu.Unlock()
	defer l.left()
	if waits && t.tell {
		params := append(append([]byte(`{"requestId":`), t.id...), '}')
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		go func() {
			defer cancel()
			_ = l.write(ctx, rpc.AppendNotification(nil, protocol.NotifyCancelled, params)) // it may have ended
		}()
	}
}
