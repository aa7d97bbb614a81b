package mcpbroker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/yellowjack/yellowjack/internal/identity"
	"github.com/yellowjack/yellowjack/internal/strictjson"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

// What one server may list.
const (
	maxPages = 100
	maxItems = 10_000
	maxName  = 256
	maxURI   = 4096
)

// relayed are the capabilities with which lists are asked for: all that clients may have and that is relayed. Some servers list a tool
// only to clients that can do what it asks of them, and lists are kept for all clients; one that cannot is told so when it calls.
const relayed = `{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true}}`

// item is one tool, prompt, resource or template of a server.
type item struct {
	server *server
	name   string // the server's own: a name, a uri, a template
	full   string // the clients'
	doc    []byte // as clients get it
	own    []byte // as the server wrote it, for those of a bare set
	hash   string // of a tool's description
	hints  []byte // a tool's annotations; nil when there are none
	// mirrored are the arguments of a tool that a client mirrors into headers; unmirrored is why they cannot be told.
	mirrored   []protocol.Param
	unmirrored error
}

// leftError is why a server's list is not shown.
type leftError struct {
	reason string
	err    error
}

func (e *leftError) Error() string { return e.err.Error() }
func (e *leftError) Unwrap() error { return e.err }

func left(reason, format string, args ...any) error {
	return &leftError{reason, fmt.Errorf("mcpbroker: "+format, args...)}
}

// fetch asks a server for all pages of a list.
func (b *Broker) fetch(ctx context.Context, s *server, p *identity.Principal, k kind) *listing {
	now := b.c.Now()
	out := &listing{byName: map[string]*item{}}
	kept := mostKept
	params := []byte("{}")
	seen := map[string]bool{}
	for page := 0; ; page++ {
		if page >= maxPages {
			return b.failed(left(leftInvalid, "a list of more than %d pages", maxPages))
		}
		result, err := b.ask(ctx, s, p, k, params)
		if err != nil {
			return b.failed(err)
		}
		if result == nil { // a server without this kind of list
			break
		}
		kept = min(kept, ttlOf(result, b.c.Refresh))
		if k == about {
			out.doc = result
			break
		}
		if err := b.take(out, s, k, result); err != nil {
			return b.failed(err)
		}
		cursor := rpc.Raw(result, "nextCursor")
		if len(cursor) == 0 || cursor[0] != '"' {
			break
		}
		if seen[string(cursor)] {
			return b.failed(left(leftInvalid, "a list whose pages lead in a circle"))
		}
		seen[string(cursor)] = true
		if params, err = rpc.Change([]byte("{}")).Set(cursor, "cursor").Bytes(); err != nil {
			return b.failed(err)
		}
	}
	out.until = now.Add(min(max(kept, leastKept), mostKept))
	return out
}

func (b *Broker) failed(err error) *listing {
	if errors.Is(err, tokens.ErrConnect) {
		return &listing{err: err} // she may connect at any time
	}
	return &listing{err: err, until: b.c.Now().Add(b.c.Retry)}
}

// ask asks for one page. A server that has no such list answers nil.
func (b *Broker) ask(ctx context.Context, s *server, p *identity.Principal, k kind, params []byte) ([]byte, error) {
	answer, err := s.Receiver.Call(ctx, &relay.Call{
		Principal: p, Method: k.shape().method, Params: params, Capabilities: []byte(relayed), Notify: func(string, []byte) error { return nil },
	})
	switch {
	case err != nil:
		return nil, err
	case answer.Err != nil && answer.Err.Code == rpc.CodeNoMethod:
		return nil, nil
	case answer.Err != nil:
		return nil, left(leftInvalid, "the server answers with the error %d", answer.Err.Code)
	case answer.NeedInput || len(answer.Result) == 0 || answer.Result[0] != '{':
		return nil, left(leftInvalid, "the server gives no list")
	}
	return answer.Result, nil
}

// ttlOf is how long a result says that it may be kept.
func ttlOf(result []byte, missing time.Duration) time.Duration {
	raw := rpc.Raw(result, "ttlMs")
	if raw == nil {
		return missing
	}
	ms, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil || ms < 0:
		return 0
	case ms > float64(mostKept.Milliseconds()):
		return mostKept
	}
	return time.Duration(ms) * time.Millisecond
}

var errTooMany = left(leftInvalid, "more than %d items in a list", maxItems)

// take adds the items of a page. A name that is there twice could be called as either: then nothing of the server's is shown.
func (b *Broker) take(out *listing, s *server, k kind, result []byte) error {
	list := rpc.Raw(result, k.shape().list)
	if len(list) == 0 || list[0] != '[' {
		return left(leftInvalid, "the server gives no list")
	}
	return rpc.Elements(list, func(_ int, raw []byte) error {
		if len(out.items) >= maxItems {
			return errTooMany
		}
		made, err := b.itemOf(s, k, raw)
		if errors.Is(err, errName) {
			b.metrics.left.WithLabelValues(s.name, leftName).Inc()
			b.c.Log.Warn("something is not listed", "server", s.name, "list", k.shape().method, "reason", leftName)
			return nil
		}
		if err != nil {
			return err
		}
		if out.byName[made.name] != nil {
			return left(leftDuplicate, "a name is there twice: %q", made.name)
		}
		out.byName[made.name] = made
		out.items = append(out.items, made)
		return nil
	})
}

// errName is an item whose name cannot be one.
var errName = errors.New("mcpbroker: not a name")

// itemOf makes an item as clients get it: everything as the server wrote it, but its name.
func (b *Broker) itemOf(s *server, k kind, raw []byte) (*item, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, left(leftInvalid, "an item of the list is no object")
	}
	name, ok := rpc.Text(raw, k.shape().name)
	if !ok || !nameable(k, name) {
		return nil, errName
	}
	it := &item{server: s, name: name, own: bytes.Clone(raw)}
	edit := rpc.Change(it.own)
	switch k {
	case resources, templates:
		it.full = b.names.joinURI(s, name)
	default:
		it.full = b.names.join(s, name)
	}
	edit.SetText(it.full, k.shape().name)
	if k == tools {
		it.hash = ToolHash(raw)
		if schema := rpc.Raw(raw, "inputSchema"); len(schema) > 0 && schema[0] == '{' {
			it.mirrored, it.unmirrored = protocol.Params(schema)
		}
		if hints := rpc.Raw(raw, "annotations"); len(hints) > 0 && hints[0] == '{' {
			it.hints = bytes.Clone(hints)
		}
		for _, path := range [][]string{{"_meta", "ui", "resourceUri"}, {"_meta", "ui/resourceUri"}} { // the Apps extension
			if uri, ok := rpc.Text(raw, path...); ok {
				edit.SetText(b.names.joinURI(s, uri), path...)
			}
		}
	}
	var err error
	it.doc, err = edit.Bytes()
	return it, err
}

// nameable tells whether a name can be one: printable, of a tool also ASCII without a space, as what looks alike must be alike.
func nameable(k kind, name string) bool {
	limit := maxName
	if k == resources || k == templates {
		limit = maxURI
	}
	if name == "" || name == ui || len(name) > limit {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		if k == tools {
			return r <= ' ' || r > '~'
		}
		return !unicode.IsPrint(r)
	})
}

// ToolHash names a tool's description for data.pins: the SHA-256 of the canonical form (RFC 8785) of its description and its input
// schema, which is what a model's request has of it (so that one pin holds for both walks), with its title, annotations and output
// schema where it has them: clients go by what the annotations say.
func ToolHash(tool []byte) string {
	or := func(raw []byte) []byte {
		if raw == nil {
			return []byte("null")
		}
		return raw
	}
	pinned := append([]byte(`{"description":`), or(rpc.Raw(tool, "description"))...)
	pinned = append(append(pinned, `,"schema":`...), or(rpc.Raw(tool, "inputSchema"))...)
	for _, more := range []string{"title", "annotations", "outputSchema"} {
		if raw := rpc.Raw(tool, more); raw != nil {
			pinned = append(append(append(append(pinned, `,"`...), more...), `":`...), raw...)
		}
	}
	pinned = append(pinned, '}')
	if canonical, err := strictjson.Canonical(pinned); err == nil {
		pinned = canonical
	}
	sum := sha256.Sum256(pinned)
	return hex.EncodeToString(sum[:])
}
