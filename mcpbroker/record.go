package mcpbroker

import (
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/audit"
	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/policies"
)

// record is the audit line of one call. A call is answered only once its line was taken.
type record struct {
	b     *Broker
	t     *target
	line  audit.Record
	began time.Time
	spent time.Duration // by the server
	tool  audit.Call
}

func (b *Broker) begin(c *relay.Call, t *target) *record {
	p := c.Principal
	r := &record{b: b, t: t, began: time.Now()}
	r.line = audit.Record{
		Time: r.began.UTC(), Issuer: p.Issuer(), Subject: p.Subject(), User: p.User(), Client: p.Client(),
		Path: pathOf(c.Set), Method: c.Method, Server: t.server.name,
	}
	r.tool = audit.Call{Tool: clip(t.full)}
	return r
}

func pathOf(set string) string {
	if set == "" {
		return "/mcp"
	}
	return "/mcp/" + set
}

// decided notes what policy said.
func (r *record) decided(d policies.CallsDecision) {
	r.line.DecisionID, r.line.PolicyRevision = d.ID, d.Revision
	r.tool.DecisionID, r.tool.PolicyRevision = d.ID, d.Revision
	r.tool.Rule = d.Calls[0].Rule
	r.line.Rule = d.Calls[0].Rule
}

func (r *record) sent(began time.Time) { r.spent += time.Since(began) }

func (r *record) labelled(l label.Label, size int) {
	text := l.Integrity.String() + "/" + l.Confidentiality.String()
	r.line.Label = text
	r.line.Results = []audit.Result{{Tool: r.tool.Tool, Treatment: policies.Pass, Label: text, Bytes: size}}
}

// refuse writes that a call was refused, and answers so.
func (r *record) refuse(a relay.Answer, code, reason string) (relay.Answer, error) {
	r.line.Decision, r.line.Code, r.line.Reason, r.tool.Reason = "refuse", code, reason, reason
	return a, r.write()
}

// wait writes that a call waits for somebody.
func (r *record) wait(a relay.Answer, code string) (relay.Answer, error) {
	r.line.Decision, r.line.Code = "answer", code
	r.tool.Allowed = code != "confirm"
	return a, r.write()
}

// answered writes what a server answered.
func (r *record) answered(a relay.Answer, code string) (relay.Answer, error) {
	r.line.Decision, r.line.Code = "allow", code
	r.tool.Allowed = true
	return a, r.write()
}

// fail writes that something could not be done.
func (r *record) fail(code, reason string) error {
	r.line.Decision, r.line.Code, r.line.Reason = "upstream_error", code, reason
	r.tool.Allowed = strings.HasPrefix(code, "upstream")
	return r.write()
}

func (r *record) write() error {
	took := time.Since(r.began)
	r.line.DurationMS, r.line.OwnMicros = took.Milliseconds(), max(took-r.spent, 0).Microseconds()
	r.line.Calls = []audit.Call{r.tool}
	r.b.metrics.calls.WithLabelValues(r.t.server.name, r.t.method, r.line.Decision).Inc()
	return r.b.c.Audit.Write(&r.line)
}

// noteUnknown writes down a call of what there is not for the caller, and answers as for anything that there is not.
func (b *Broker) noteUnknown(c *relay.Call, in *set, full string, a relay.Answer) (relay.Answer, error) {
	s, _, ok := in.names.split(full)
	if !ok {
		if s, _, ok = in.names.splitURI(full); !ok {
			s = &server{name: "unknown"}
		}
	}
	if in.names.bare != nil {
		full = b.names.join(s, full)
	}
	r := b.begin(c, &target{method: c.Method, server: s, full: full})
	return r.refuse(a, "unknown", "it is not there for this principal")
}

// noteSeen writes down the descriptions of tools that this process had not seen before, so that they can be approved
// (`yellowjack policy pin`).
func (b *Broker) noteSeen(e *entry, l *listing) {
	var seen []audit.Seen
	e.mu.Lock()
	for _, it := range l.items {
		if key := it.full + "\x00" + it.hash; !e.reported[key] {
			e.report(key)
			seen = append(seen, audit.Seen{Tool: it.full, Hash: it.hash})
		}
	}
	e.mu.Unlock()
	if len(seen) > 0 {
		b.noteList(&audit.Record{Server: e.s.name, ToolsSeen: seen})
	}
}

// noteList writes a line about a server's list, which is on nobody's behalf.
func (b *Broker) noteList(r *audit.Record) {
	r.Time, r.Decision, r.Method = time.Now().UTC(), "answer", protocol.ListTools
	if err := b.c.Audit.Write(r); err != nil { // nothing waits for it, and the next call's line will fail as well
		b.c.Log.Error("the audit has no line of a server's tools", "server", r.Server, "err", err)
	}
}

// report notes that something was told of; e.mu is held.
func (e *entry) report(key string) {
	if len(e.reported) > 4*maxItems {
		clear(e.reported)
	}
	e.reported[key] = true
}
