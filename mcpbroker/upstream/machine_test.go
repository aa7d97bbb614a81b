package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

// machine runs local servers: programs that are goroutines with pipes.
type machine struct {
	modern bool
	mute   bool // says nothing to what it does not know, as some old servers
	deaf   bool // its processes read nothing

	mu      sync.Mutex
	started int
	refuse  error
	live    map[int]*program
	heard   []string // the methods of all notifications and of all that was asked, by process
}

// program is one process.
type program struct {
	m    *machine
	n    int
	in   *io.PipeReader
	out  *io.PipeWriter
	mu   sync.Mutex
	wait map[string]chan *rpc.Message // what it asked
	open map[string]chan struct{}     // calls that hang, by id; closed when they are cancelled
	done chan struct{}
}

func (m *machine) start(_ context.Context, principal string) (*sandbox.Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return nil, m.refuse
	}
	m.started++
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	errR, errW := io.Pipe()
	p := &program{m: m, n: m.started, in: inR, out: outW, wait: map[string]chan *rpc.Message{}, open: map[string]chan struct{}{}, done: make(chan struct{})}
	if m.live == nil {
		m.live = map[int]*program{}
	}
	m.live[p.n] = p
	go func() {
		_, _ = fmt.Fprintln(errW, "started for", principal)
		p.run()
		_ = errW.Close()
		p.exit()
	}()
	return sandbox.NewProcess(inW, outR, errR, p.exit, func() error { <-p.done; return nil }), nil
}

func (p *program) exit() {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if p.m.live[p.n] == p {
		delete(p.m.live, p.n)
		_ = p.in.Close()
		_ = p.out.Close()
		close(p.done)
	}
}

func (m *machine) starts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.started
}

func (m *machine) running() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.live)
}

func (m *machine) note(s string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = append(m.heard, s)
}

func (m *machine) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.heard)
}

func (p *program) say(s string) { _, _ = io.WriteString(p.out, s+"\n") }

func (p *program) run() {
	if p.m.deaf {
		<-p.done
		return
	}
	lines := bufio.NewScanner(p.in)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		m, err := rpc.Parse([]byte(lines.Text()), strictjson.Limits{})
		if err != nil {
			panic(err)
		}
		if m.Kind != rpc.Request && m.Kind != rpc.Notification {
			p.mu.Lock()
			ch := p.wait[string(m.ID)]
			p.mu.Unlock()
			ch <- m
			continue
		}
		p.m.note(m.Method)
		switch m.Method {
		case protocol.NotifyCancelled:
			p.mu.Lock()
			if ch := p.open[string(rpc.Raw(m.Params, "requestId"))]; ch != nil {
				close(ch)
			}
			p.mu.Unlock()
			continue
		case protocol.NotifyInitialized:
			continue
		}
		if !p.answer(m) {
			return
		}
	}
}

// ask asks the client something.
func (p *program) ask(id, method, params string) *rpc.Message {
	ch := make(chan *rpc.Message, 1)
	p.mu.Lock()
	p.wait[id] = ch
	p.mu.Unlock()
	p.say(`{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":` + params + `}`)
	return <-ch
}

// answer answers a request; false ends the process.
func (p *program) answer(m *rpc.Message) bool {
	id := string(m.ID)
	result := func(s string) { p.say(`{"jsonrpc":"2.0","id":` + id + `,"result":` + s + `}`) }
	modern := p.m.modern
	switch {
	case m.Method == protocol.Discover && modern:
		result(`{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}`)
		return true
	case m.Method == protocol.Initialize && !modern:
		result(`{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"local","version":"1"}}`)
		return true
	case m.Method == protocol.Listen && modern:
		p.say(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"` + protocol.MetaSubscription + `":` + id + `}}}`)
		p.say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"` + protocol.MetaSubscription + `":` + id + `}}}`)
		return true
	case m.Method != protocol.CallTool:
		if !p.m.mute {
			p.say(`{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32601,"message":"no"}}`)
		}
		return true
	}
	name, _ := rpc.Text(m.Params, "name")
	switch name {
	case "progress":
		token := string(rpc.Raw(m.Params, "_meta", "progressToken"))
		p.say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":1.0}}`)
	case "log":
		p.say(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1.0}}`)
	case "changed":
		p.say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
	case "ask":
		go func() {
			got := p.ask(`"q`+id+`"`, "elicitation/create", `{"message":"m"}`)
			if got.Err != nil {
				got.Result = []byte(`"declined"`)
			}
			result(`{"content":[],"got":` + string(got.Result) + `}`)
		}()
		return true
	case "ping":
		go func() { result(`{"content":[],"got":` + string(p.ask(`"p`+id+`"`, "ping", `{}`).Result) + `}`) }()
		return true
	case "nag":
		for i := range 1000 {
			p.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":"n%d","method":"ping"}`, i))
		}
		return true
	case "hang":
		ch := make(chan struct{})
		p.mu.Lock()
		p.open[id] = ch
		p.mu.Unlock()
		go func() {
			select {
			case <-ch:
				p.m.note("let go")
			case <-p.done:
			}
		}()
		return true
	case "crash":
		return false
	case "garbage":
		p.say("Debug: something for people")
		return true
	case "half":
		_, _ = io.WriteString(p.out, `{"jsonrpc":"2.0","id":`+id+`,"result":{`)
		return false
	case "huge":
		result(`{"content":"` + strings.Repeat("x", 2<<20) + `"}`)
		return true
	case "stranger":
		p.say(`{"jsonrpc":"2.0","id":"never asked","result":{}}`)
	}
	text := fmt.Sprintf(`"process":%d,"params":%s`, p.n, m.Params)
	if modern {
		text = `"resultType":"complete",` + text
	}
	result("{" + text + "}")
	return true
}
