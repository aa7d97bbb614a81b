package mcpbroker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/mcpbroker/protocol"
	"github.com/yellowjack/yellowjack/mcpbroker/relay"
	"github.com/yellowjack/yellowjack/mcpbroker/rpc"
)

// cursorTTL is how long a page's cursor is good.
const cursorTTL = time.Hour

// list answers one page of a list. A cursor is the name that the page before ended with, sealed: a list that changes in between
// neither repeats nor leaves out what stayed.
func (b *Broker) list(ctx context.Context, c *relay.Call, in *set, k kind) (relay.Answer, error) {
	after := ""
	if raw := rpc.Raw(c.Params, "cursor"); raw != nil && string(raw) != "null" {
		text, _ := rpc.String(raw)
		inner, err := b.cursors.Open(text, c.Principal.Key(), c.Set, c.Method)
		if err != nil {
			return refused(rpc.CodeInvalidParams, "the cursor is not valid here, or no longer"), nil //nolint:nilerr // that is the answer
		}
		after = string(inner)
	}
	all, until, err := b.listed(ctx, c.Principal, in, k)
	if err != nil {
		return relay.Answer{}, err
	}
	from, _ := slices.BinarySearchFunc(all, after, func(o offered, name string) int {
		if o.full <= name { // the first that comes after it
			return -1
		}
		return 1
	})
	page := all[from:]
	more := len(page) > b.c.PageSize
	if more {
		page = page[:b.c.PageSize]
	}
	size := 128
	for _, o := range page {
		size += len(o.text) + 1
	}
	out := append(make([]byte, 0, size), `{"`...)
	out = append(append(out, k.shape().list...), `":[`...)
	for i, o := range page {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, o.text...)
	}
	out = append(out, ']')
	if more {
		cursor := b.cursors.Seal([]byte(page[len(page)-1].full), cursorTTL, c.Principal.Key(), c.Set, c.Method)
		out = llm.AppendQuoted(append(out, `,"nextCursor":`...), cursor)
	}
	return relay.Answer{Result: append(appendTTL(out, until.Sub(b.c.Now())), '}')}, nil
}

// appendTTL says how long a result may be kept, by the principal alone.
func appendTTL(dst []byte, ttl time.Duration) []byte {
	dst = append(dst, `,"ttlMs":`...)
	dst = appendInt(dst, max(ttl.Milliseconds(), 0))
	return append(dst, `,"cacheScope":"`+protocol.ScopePrivate+`"`...)
}

// discover says what the servers of a set can do, together. A server that is down counts as one that can do everything: what a
// client was told when it came holds for its whole session.
func (b *Broker) discover(ctx context.Context, c *relay.Call, in *set) (relay.Answer, error) {
	said := make([]*listing, len(in.servers))
	var wait sync.WaitGroup
	for i, s := range in.servers {
		wait.Go(func() { said[i] = b.catalog.of(s, c.Principal).get(ctx, c.Principal, about) })
	}
	wait.Wait()
	until := b.c.Now().Add(mostKept)
	can := map[string]bool{"tools": true}
	var extensions []string
	var texts []string
	for i, l := range said {
		if l.until.Before(until) {
			until = l.until
		}
		if l.err != nil || l.doc == nil {
			can["prompts"], can["resources"], can["completions"], can["logging"] = true, true, true, true
			continue
		}
		capabilities := rpc.Raw(l.doc, "capabilities")
		for _, name := range []string{"prompts", "resources", "completions", "logging"} {
			can[name] = can[name] || rpc.Raw(capabilities, name) != nil
		}
		extensions = appendExtensions(extensions, capabilities)
		if text, ok := rpc.Text(l.doc, "instructions"); ok && text != "" && in.servers[i].Instructions {
			texts = append(texts, in.servers[i].name+":\n"+text)
		}
	}
	out := []byte(`{"supportedVersions":[`)
	for i, v := range protocol.Versions() {
		if i > 0 {
			out = append(out, ',')
		}
		out = llm.AppendQuoted(out, v)
	}
	out = append(out, `],"capabilities":{"tools":{"listChanged":true}`...)
	for _, capability := range []struct{ name, value string }{
		{"prompts", `{"listChanged":true}`},
		{"resources", `{"subscribe":true,"listChanged":true}`},
		{"completions", `{}`},
		{"logging", `{}`},
	} {
		if can[capability.name] {
			out = append(append(append(append(out, `,"`...), capability.name...), `":`...), capability.value...)
		}
	}
	if len(extensions) > 0 {
		out = append(append(append(out, `,"extensions":{`...), strings.Join(extensions, ",")...), '}')
	}
	out = llm.AppendQuoted(append(out, `},"_meta":{"`+protocol.MetaServerInfo+`":{"name":`...), b.c.Name)
	out = append(llm.AppendQuoted(append(out, `,"version":`...), b.c.Version), "}}"...)
	if len(texts) > 0 {
		out = llm.AppendQuoted(append(out, `,"instructions":`...), strings.Join(texts, "\n\n"))
	}
	return relay.Answer{Result: append(appendTTL(out, until.Sub(b.c.Now())), '}')}, nil
}

// appendExtensions adds the extensions that a server says it has, the first one's settings of each. Tasks need their ids to be ours
// and are not relayed.
func appendExtensions(all []string, capabilities []byte) []string {
	raw := rpc.Raw(capabilities, "extensions")
	if len(raw) == 0 || raw[0] != '{' {
		return all
	}
	_ = rpc.Members(raw, func(name string, value []byte) error {
		key := string(llm.AppendQuoted(nil, name)) + ":"
		if name != protocol.ExtensionTasks && !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, key) }) {
			all = append(all, key+string(value))
		}
		return nil
	})
	return all
}
