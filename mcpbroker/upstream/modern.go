package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// errNotModern is an answer that no modern server gives.
var errNotModern = errors.New("upstream: not a modern server")

// modern makes a call of a stateless server. When it wants other headers, since the tool's schema changed, the list is read anew.
func (u *Upstream) modern(ctx context.Context, c *relay.Call) (relay.Answer, error) {
	u.mu.Lock()
	version := u.version
	u.mu.Unlock()
	answer, err := u.modernAs(ctx, c, version)
	if errors.Is(err, errNotModern) { // it was replaced by another one
		u.forget()
		return answer, fmt.Errorf("%w: it is of another era than it was", ErrUnavailable)
	}
	if err == nil && answer.Err != nil && answer.Err.Code == rpc.CodeHeaderMismatch && c.Method == protocol.CallTool {
		if err := u.relist(ctx, c, version); err != nil {
			return relay.Answer{}, err
		}
		return u.modernAs(ctx, c, version)
	}
	return answer, err
}

// relist reads all pages of the tools, for the headers that they want.
func (u *Upstream) relist(ctx context.Context, c *relay.Call, version string) error {
	list := &relay.Call{Principal: c.Principal, Method: protocol.ListTools, Params: []byte("{}"), Capabilities: c.Capabilities, ClientInfo: c.ClientInfo}
	for range 100 {
		answer, err := u.modernAs(ctx, list, version)
		if err != nil || answer.Err != nil {
			return err
		}
		cursor := rpc.Raw(answer.Result, "nextCursor")
		if len(cursor) == 0 || cursor[0] != '"' {
			return nil
		}
		if list.Params, err = rpc.Change([]byte("{}")).Set(cursor, "cursor").Bytes(); err != nil {
			return err
		}
	}
	return nil
}

func (u *Upstream) modernAs(ctx context.Context, c *relay.Call, version string) (relay.Answer, error) {
	id := rpc.ID(strconv.AppendInt(nil, u.next.Add(1), 10))
	params, err := u.modernParams(c, version)
	if err != nil {
		return relay.Answer{}, err
	}
	h := http.Header{}
	h.Set(protocol.HeaderVersion, version)
	h.Set(protocol.HeaderMethod, c.Method)
	if name, ok := protocol.NameOf(c.Method, c.Params); ok {
		h.Set(protocol.HeaderName, protocol.Encode(name))
	}
	if c.Method == protocol.CallTool {
		if err := u.mirror.set(h, c.Params); err != nil {
			return relay.Answer{Err: &relay.Error{Code: rpc.CodeInvalidParams, Message: err.Error()}}, nil
		}
	}
	resp, err := u.send(ctx, c, http.MethodPost, rpc.AppendRequest(nil, id, c.Method, params), h)
	if err != nil {
		return relay.Answer{}, err
	}
	if resp.stream == nil {
		return relay.Answer{}, errNotModern
	}
	defer resp.close()
	for {
		m, err := resp.next()
		switch {
		case errors.Is(err, io.EOF):
			return relay.Answer{}, fmt.Errorf("%w: no response", ErrInvalid)
		case err != nil && ctx.Err() != nil:
			return relay.Answer{}, ctx.Err()
		case err != nil:
			return relay.Answer{}, err
		case m.Kind == rpc.Notification:
			if c.Notify != nil && c.Notify(m.Method, m.Params) != nil {
				return relay.Answer{}, context.Canceled
			}
			continue
		case m.Kind == rpc.Request:
			return relay.Answer{}, fmt.Errorf("%w: a stateless server asks", ErrInvalid)
		case m.Err != nil && resp.status >= 400 && !m.ID.Equal(id) && !modernError(m.Err) && m.Err.Code != rpc.CodeNoMethod:
			return relay.Answer{}, errNotModern
		case m.ID != nil && !m.ID.Equal(id):
			return relay.Answer{}, fmt.Errorf("%w: the response to another request", ErrInvalid)
		case m.Err != nil && c.Method == protocol.Discover && !modernError(m.Err):
			return relay.Answer{}, errNotModern
		case m.Err != nil:
			return relay.Answer{Err: m.Err}, nil
		}
		return u.modernResult(c, m.Result)
	}
}

// modernParams are the call's params with what each request of the stateless era carries ("_meta").
func (u *Upstream) modernParams(c *relay.Call, version string) ([]byte, error) {
	meta := rpc.Raw(c.Params, "_meta")
	if len(meta) == 0 || meta[0] != '{' {
		meta = []byte("{}")
	}
	info := llm.AppendQuoted([]byte(`{"name":`), u.c.ClientName)
	info = append(llm.AppendQuoted(append(info, `,"version":`...), u.c.ClientVersion), '}')
	capabilities := c.Capabilities
	if len(capabilities) == 0 {
		capabilities = []byte("{}")
	}
	edit := rpc.Change(meta).SetText(version, protocol.MetaVersion).Set(info, protocol.MetaClientInfo).Set(capabilities, protocol.MetaCapabilities)
	if c.LogLevel != "" {
		edit.SetText(c.LogLevel, protocol.MetaLogLevel)
	}
	meta, err := edit.Bytes()
	if err != nil {
		return nil, err
	}
	params := rpc.Change(c.Params).Set(meta, "_meta")
	if c.Inputs != nil {
		params.Set(c.Inputs, "inputResponses")
	}
	if c.State != nil {
		params.SetText(string(c.State), "requestState")
	}
	return params.Bytes()
}

// modernResult reads what a stateless server answered.
func (u *Upstream) modernResult(c *relay.Call, result []byte) (relay.Answer, error) {
	kind, ok := rpc.Text(result, "resultType")
	switch {
	case !ok || kind == protocol.ResultComplete:
		if c.Method == protocol.ListTools {
			var err error
			if result, err = u.mirror.learn(result); err != nil {
				return relay.Answer{}, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
		}
		return relay.Answer{Result: result}, nil
	case kind == protocol.ResultInput && protocol.MayNeedInput(c.Method):
		a := relay.Answer{NeedInput: true}
		if state, ok := rpc.Text(result, "requestState"); ok {
			a.State = []byte(state)
		} else if rpc.Raw(result, "inputRequests") == nil {
			return relay.Answer{}, fmt.Errorf("%w: input is required, and none is named", ErrInvalid)
		}
		var err error
		a.Result, err = rpc.Change(result).Remove("requestState").Bytes()
		return a, err
	case kind == "task": // of the tasks extension; who declared it can read it
		return relay.Answer{Result: result}, nil
	}
	return relay.Answer{}, fmt.Errorf("%w: a result of an unknown type", ErrInvalid)
}

// mirrors remembers which arguments of which tools are mirrored into headers.
type mirrors struct {
	mu    sync.Mutex
	tools map[string][]protocol.Param
}

// learn reads a list of tools. One whose annotations break the rules is left out of it ("Schema Extension").
func (s *mirrors) learn(result []byte) ([]byte, error) {
	list, ok := rpc.Find(result, "tools")
	if !ok {
		return result, nil
	}
	var kept []byte
	left := 0
	err := rpc.Elements(list.Of(result), func(_ int, tool []byte) error {
		name, _ := rpc.Text(tool, "name")
		params, err := protocol.Params(rpc.Raw(tool, "inputSchema"))
		if err != nil {
			left++
			return nil //nolint:nilerr // the tool is left out, which is what the error means
		}
		s.mu.Lock()
		if len(params) > 0 {
			if s.tools == nil {
				s.tools = map[string][]protocol.Param{}
			}
			s.tools[name] = params
		} else {
			delete(s.tools, name)
		}
		s.mu.Unlock()
		if kept != nil {
			kept = append(kept, ',')
		}
		kept = append(kept, tool...)
		return nil
	})
	if err != nil || left == 0 {
		return result, err
	}
	return rpc.Change(result).Set(append(append([]byte{'['}, kept...), ']'), "tools").Bytes()
}

// set mirrors the arguments of a call into headers.
func (s *mirrors) set(h http.Header, params []byte) error {
	name, _ := rpc.Text(params, "name")
	s.mu.Lock()
	wanted := s.tools[name]
	s.mu.Unlock()
	arguments := rpc.Raw(params, "arguments")
	for _, p := range wanted {
		value, there, err := p.Mirror(arguments)
		if err != nil {
			return err
		}
		if there {
			h.Set(protocol.HeaderParam+p.Header, value)
		}
	}
	return nil
}
