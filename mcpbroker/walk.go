package mcpbroker

import (
	"context"
	"errors"
	"time"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
	"github.com/yellowjack/yellowjack/mcpbroker/upstream"
	"github.com/yellowjack/yellowjack/policies"
)

// target is what a call is about.
type target struct {
	method    string
	server    *server
	full      string // as it stands in the audit and before a person: the server's name with it, in a bare set too
	name      string // as policy data does: canonical once it is known
	asked     string // as policy is asked
	arguments []byte // that policy sees
	params    []byte // for the server
	hints     []byte
	pin       string
}

// callTool makes a call of a tool.
func (b *Broker) callTool(ctx context.Context, c *relay.Call, in *set) (relay.Answer, error) {
	full, _ := rpc.Text(c.Params, "name")
	unknown := refused(rpc.CodeInvalidParams, "Unknown tool: "+clip(full))
	s, name, ok := in.names.split(full)
	if !ok {
		return b.noteUnknown(c, in, full, unknown)
	}
	o, down, err := b.find(ctx, c.Principal, in, tools, s, name)
	switch {
	case err != nil:
		return relay.Answer{}, err
	case down != nil:
		return b.unlisted(ctx, c, &target{method: c.Method, server: s, full: b.names.join(s, name)}, down)
	case o == nil:
		return b.noteUnknown(c, in, full, unknown)
	}
	arguments, ok := objectOf(c.Params, "arguments")
	if !ok {
		return refused(rpc.CodeInvalidParams, "arguments must be an object"), nil
	}
	params, err := rpc.Change(c.Params).SetText(name, "name").Bytes()
	if err != nil {
		return relay.Answer{}, err
	}
	return b.walk(ctx, c, in, &target{
		method: c.Method, server: s, full: o.full, name: o.tool, asked: b.policyName(tools, o.item), arguments: arguments, params: params, hints: o.hints, pin: o.pin,
	})
}

// readResource reads a resource. Policy knows a server's resources as one thing, and sees the uri as an argument: a uri need not be
// on any list, as a template makes many.
func (b *Broker) readResource(ctx context.Context, c *relay.Call, in *set) (relay.Answer, error) {
	full, _ := rpc.Text(c.Params, "uri")
	unknown := noResource(full)
	s, uri, ok := in.names.splitURI(full)
	if !ok {
		return b.noteUnknown(c, in, full, unknown)
	}
	seen, err := b.offer(ctx, c.Principal, in, resources, []*item{{server: s, name: uri, full: full}})
	if err != nil {
		return relay.Answer{}, err
	}
	if len(seen) == 0 {
		return b.noteUnknown(c, in, full, unknown)
	}
	params, err := rpc.Change(c.Params).SetText(uri, "uri").Bytes()
	if err != nil {
		return relay.Answer{}, err
	}
	arguments, err := rpc.Change([]byte("{}")).SetText(uri, "uri").Bytes()
	if err != nil {
		return relay.Answer{}, err
	}
	return b.walk(ctx, c, in, &target{
		method: c.Method, server: s, full: b.names.joinURI(s, uri), name: seen[0].tool, asked: b.policyName(resources, seen[0].item), arguments: arguments, params: params,
	})
}

// getPrompt gets a prompt that is on the server's list.
func (b *Broker) getPrompt(ctx context.Context, c *relay.Call, in *set) (relay.Answer, error) {
	full, _ := rpc.Text(c.Params, "name")
	unknown := refused(rpc.CodeInvalidParams, "Unknown prompt: "+clip(full))
	s, name, ok := in.names.split(full)
	if !ok {
		return b.noteUnknown(c, in, full, unknown)
	}
	o, down, err := b.find(ctx, c.Principal, in, prompts, s, name)
	switch {
	case err != nil:
		return relay.Answer{}, err
	case down != nil:
		return b.unlisted(ctx, c, &target{method: c.Method, server: s, full: b.names.join(s, name)}, down)
	case o == nil:
		return b.noteUnknown(c, in, full, unknown)
	}
	given, ok := objectOf(c.Params, "arguments")
	if !ok {
		return refused(rpc.CodeInvalidParams, "arguments must be an object"), nil
	}
	params, err := rpc.Change(c.Params).SetText(name, "name").Bytes()
	if err != nil {
		return relay.Answer{}, err
	}
	arguments, err := rpc.Change([]byte("{}")).SetText(name, "name").Set(given, "arguments").Bytes()
	if err != nil {
		return relay.Answer{}, err
	}
	return b.walk(ctx, c, in, &target{
		method: c.Method, server: s, full: o.full, name: o.tool, asked: b.policyName(prompts, o.item), arguments: arguments, params: params,
	})
}

// complete asks a server to complete an argument of a prompt or a template that the principal may see. Nothing is decided of the
// values: what they could be of is visible.
func (b *Broker) complete(ctx context.Context, c *relay.Call, in *set) (relay.Answer, error) {
	no := refused(rpc.CodeInvalidParams, "the reference is not known")
	var s *server
	var path, name string
	var ok bool
	k := prompts
	switch kind, _ := rpc.Text(c.Params, "ref", "type"); kind {
	case "ref/prompt":
		path = "name"
		full, _ := rpc.Text(c.Params, "ref", path)
		s, name, ok = in.names.split(full)
	case "ref/resource":
		k, path = resources, "uri"
		full, _ := rpc.Text(c.Params, "ref", path)
		s, name, ok = in.names.splitURI(full)
	}
	if !ok {
		return no, nil
	}
	seen, err := b.offer(ctx, c.Principal, in, k, []*item{{server: s, name: name}})
	if err != nil || len(seen) == 0 {
		return no, err
	}
	params, err := rpc.Change(c.Params).SetText(name, "ref", path).Bytes()
	if err != nil {
		return relay.Answer{}, err
	}
	answer, err := b.send(ctx, c, &target{method: c.Method, server: s, params: params}, nil, nil)
	if err != nil {
		return b.asAnswer(s, err)
	}
	return answer, nil
}

// walk takes a call from its state to its answer.
func (b *Broker) walk(ctx context.Context, c *relay.Call, in *set, t *target) (relay.Answer, error) {
	r := b.begin(c, t)
	at, has, why := b.resume(ctx, c, t)
	if why != "" {
		return r.refuse(denial(t, why), "not_waiting", why)
	}
	if err := b.grant(ctx, c, t, &has); err != nil {
		return relay.Answer{}, err
	}
	d, err := b.decide(ctx, c, t, has)
	if err != nil {
		return relay.Answer{}, errors.Join(err, r.fail("policy_error", "the policy could not be evaluated"))
	}
	r.decided(d)
	verdict := d.Calls[0]
	switch {
	case verdict.Verdict == policies.Confirm && !has.confirmed:
		return b.confirm(ctx, c, t, r, has, verdict)
	case verdict.Verdict != policies.Allow && verdict.Verdict != policies.Confirm:
		return r.refuse(denial(t, verdict.Reason), "tool_denied", verdict.Reason)
	}
	answer, err := b.send(ctx, c, t, at, r)
	if errors.Is(err, tokens.ErrConnect) {
		return b.connect(ctx, c, t, r, has)
	}
	if err != nil {
		answer, ours := b.asAnswer(t.server, err)
		return answer, errors.Join(ours, r.fail("upstream_error", "the server could not be asked"))
	}
	return b.finish(ctx, c, in, t, r, has, verdict, answer)
}

// resume takes up a call that comes again; why is the reason that it cannot.
func (b *Broker) resume(ctx context.Context, c *relay.Call, t *target) (at *state, has earned, why string) {
	const anew = "it does not wait for this any more; make it anew"
	if c.State == nil {
		if c.Inputs != nil { // they are for the server to judge, which asks again for what is missing; a state is optional
			return &state{waits: waitsForServer}, earned{}, ""
		}
		return nil, earned{}, ""
	}
	at, err := readState(c.State)
	if err != nil || at.server != t.server.name {
		return nil, earned{}, anew
	}
	if at.once != "" {
		if has, err = b.spend(ctx, c.Principal, t, at.once); err != nil {
			return nil, earned{}, anew
		}
	}
	switch {
	case at.waits == waitsForServer:
		return at, has, ""
	case at.waits == waitsForConnect && opened(c.Inputs):
		return nil, has, ""
	case at.waits == waitsForConnect:
		return nil, earned{}, notConnected
	}
	if at.once == "" || !consented(c.Inputs) {
		return nil, earned{}, "the person did not confirm it"
	}
	has.confirmed = true
	return nil, has, ""
}

// grant takes the grant that a released call left, where the tool runs only such calls: once.
func (b *Broker) grant(ctx context.Context, c *relay.Call, t *target, has *earned) error {
	rules := b.c.Policies.Rules(t.name)
	if rules == nil || !rules.Grant || has.granted {
		return nil
	}
	g, err := b.c.Ledger.TakeGrant(ctx, scopeOf(c.Principal), t.name, t.arguments)
	if err != nil {
		return err
	}
	if g != nil {
		has.granted, has.label = true, g.Label
	}
	return nil
}

// decide asks policy. Without a grant nobody knows what the caller has read, and a tool that needs to know it asks for one; with a
// grant the context is that of the model's call, and its arguments were decided on when it was released.
func (b *Broker) decide(ctx context.Context, c *relay.Call, t *target, has earned) (policies.CallsDecision, error) {
	call := policies.Call{Tool: t.asked, Arguments: t.arguments, Offered: true, Granted: has.granted, Annotations: t.hints, Pin: t.pin}
	in := &policies.ToolcallInput{Principal: subjectOf(c.Principal), Walk: policies.WalkBroker, Context: label.Clean()}
	if has.granted {
		in.Context = has.label
		call.Args = []policies.Arg{{Label: has.label, Person: true}}
	}
	in.Calls = []policies.Call{call}
	d, err := b.c.Policies.Toolcall(ctx, in)
	if err == nil && len(d.Calls) != 1 {
		err = errors.New("mcpbroker: the policy decides of another number of calls")
	}
	return d, err
}

// confirm asks the person, where the client can.
func (b *Broker) confirm(ctx context.Context, c *relay.Call, t *target, r *record, has earned, verdict policies.CallDecision) (relay.Answer, error) {
	switch {
	case !protocol.MayNeedInput(t.method) || !canConfirm(c.Capabilities):
		reason := verdict.Reason + "; this client cannot ask one"
		return r.refuse(denial(t, reason), "confirm_impossible", reason)
	case !confirmable(t):
		reason := verdict.Reason + "; its arguments are too long to be shown"
		return r.refuse(denial(t, reason), "confirm_impossible", reason)
	}
	once, err := b.keep(ctx, c.Principal, t, has)
	if err != nil {
		return relay.Answer{}, err
	}
	wait := state{waits: waitsForConfirm, server: t.server.name, once: once}
	return r.wait(relay.Answer{NeedInput: true, Result: confirmation(t, verdict.Reason), State: wait.append(nil)}, "confirm")
}

// send hands a call to its server.
func (b *Broker) send(ctx context.Context, c *relay.Call, t *target, at *state, r *record) (relay.Answer, error) {
	up := &relay.Call{
		Principal: c.Principal, Method: t.method, Params: t.params, Capabilities: withoutTasks(c.Capabilities), ClientInfo: c.ClientInfo, LogLevel: c.LogLevel,
		Notify: func(method string, params []byte) error { return b.heard(c, t.server, method, params) },
	}
	if at != nil {
		up.Inputs = c.Inputs
		if at.has {
			up.State = at.upstream
		}
	}
	began := time.Now()
	answer, err := t.server.Receiver.Call(ctx, up)
	b.metrics.seconds.WithLabelValues(t.server.name).Observe(time.Since(began).Seconds())
	if r != nil {
		r.sent(began)
	}
	return answer, err
}

// heard takes a notification that came in the middle of a call: what is the call's goes to its client.
func (b *Broker) heard(c *relay.Call, s *server, method string, params []byte) error {
	switch method {
	case protocol.NotifyProgress, protocol.NotifyMessage, protocol.NotifyElicited:
		return c.Notify(method, params)
	}
	b.catalog.of(s, c.Principal).changed(method)
	return nil
}

// finish is what becomes of a server's answer: its state is ours to keep, its uris get our names, its texts are remembered.
func (b *Broker) finish(ctx context.Context, c *relay.Call, in *set, t *target, r *record, has earned, verdict policies.CallDecision, answer relay.Answer) (relay.Answer, error) {
	switch {
	case answer.Err != nil:
		answer.Err = in.names.renamedError(t.server, t.method, answer.Err)
		if err := b.c.Ledger.Remember(ctx, scopeOf(c.Principal), labelOf(verdict), []byte(answer.Err.Message), answer.Err.Data); err != nil {
			return relay.Answer{}, errors.Join(err, r.fail("store_unavailable", "the ledger is away"))
		}
		return r.answered(answer, "server_error")
	case answer.NeedInput:
		next := state{waits: waitsForServer, server: t.server.name, has: answer.State != nil, upstream: answer.State}
		if has.any() {
			once, err := b.keep(ctx, c.Principal, t, has)
			if err != nil {
				return relay.Answer{}, err
			}
			next.once = once
		}
		answer.State = next.append(nil)
		return r.wait(answer, "input_required")
	}
	f := look(t.method, answer.Result)
	l := labelOf(verdict)
	forms := f.forms()
	if len(f.uris) > 0 { // what the client gets is something else than what the server wrote, and both are remembered
		answer.Result = f.renamed(in.names, t.server, answer.Result)
		forms = append(forms, look(t.method, answer.Result).forms()...)
	}
	if err := b.c.Ledger.Remember(ctx, scopeOf(c.Principal), l, forms...); err != nil {
		b.c.Log.Error("a result could not be remembered and is withheld", "server", t.server.name, "err", err)
		return r.refuse(denial(t, "the call was made, but its result is withheld since the gateway's store is away"), "store_unavailable", "the ledger is away")
	}
	r.labelled(l, len(answer.Result))
	return r.answered(answer, "")
}

// labelOf is the label of a result: what the data says of its tool, and that it is the tool's.
func labelOf(d policies.CallDecision) label.Label {
	l := label.Label{Sources: []string{d.Tool}}
	if d.Rules != nil {
		l.Confidentiality = d.Rules.Confidentiality
		if d.Rules.Trusted {
			l.Integrity = label.Trusted
		}
	}
	return l
}

// asAnswer is what a client reads when its server could not be asked.
func (b *Broker) asAnswer(s *server, err error) (relay.Answer, error) {
	if own, ok := errors.AsType[*relay.Error](err); ok {
		return relay.Answer{Err: own}, nil
	}
	if errors.Is(err, context.Canceled) {
		return relay.Answer{}, err
	}
	if errors.Is(err, tokens.ErrConnect) && s.Account != nil {
		return refused(rpc.CodeInternal, toConnect(s)), nil
	}
	b.c.Log.Warn("a call failed", "server", s.name, "err", err)
	if _, ok := errors.AsType[*upstream.Unauthorized](err); ok {
		return refused(rpc.CodeInternal, "the server "+s.name+" does not take the gateway's credential"), nil
	}
	return unavailable(s), nil
}

func unavailable(s *server) relay.Answer {
	return refused(rpc.CodeInternal, "the server "+s.name+" is not available; try again later")
}

// noResource is the error of a uri that is no resource's (2025-11-25, "Error Handling"; the edge has the code of later versions).
func noResource(uri string) relay.Answer {
	data := append(llm.AppendQuoted([]byte(`{"uri":`), clip(uri)), '}')
	return relay.Answer{Err: &relay.Error{Code: rpc.CodeNoResource, Message: "Resource not found", Data: data}}
}

// objectOf is an object among a call's params, {} when there is none; false when it is something else.
func objectOf(params []byte, name string) ([]byte, bool) {
	raw := rpc.Raw(params, name)
	if raw == nil || string(raw) == "null" { // as some clients write that there are none
		return []byte("{}"), true
	}
	return raw, raw[0] == '{'
}

// withoutTasks are the client's capabilities less the tasks, whose ids would have to be ours.
func withoutTasks(capabilities []byte) []byte {
	if len(capabilities) == 0 {
		return []byte("{}")
	}
	edit := rpc.Change(capabilities).Remove("tasks")
	if raw := rpc.Raw(capabilities, "extensions"); rpc.Raw(raw, protocol.ExtensionTasks) != nil {
		if less, err := rpc.Change(raw).Remove(protocol.ExtensionTasks).Bytes(); err == nil {
			edit.Set(less, "extensions")
		}
	}
	out, err := edit.Bytes()
	if err != nil {
		return []byte("{}")
	}
	return out
}

// clip bounds what a client wrote before it goes into a text.
func clip(s string) string {
	if len(s) > maxName {
		return s[:maxName] + "…"
	}
	return s
}
