package scim

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// kind is what there is to push.
type kind struct {
	name, schema string
	indexed      []string // attributes that a filter may ask for
	unique       string   // of which each value is there once; "" is none
}

var (
	users  = kind{"Users", schemaUser, []string{"userName", "externalId"}, "userName"}
	groups = kind{"Groups", schemaGroup, []string{"displayName", "externalId"}, ""}
)

// resource is a user or a group.
type resource struct {
	id      string
	created time.Time
	changed time.Time
	doc     map[string]any // without id and meta
}

func newID() string { return rand.Text() }

func itoa(n int) string { return strconv.Itoa(n) }

// attributes are those whose names are read in any case (RFC 7643, section 2.1), as they are written.
var attributes = func() map[string]string {
	out := map[string]string{}
	for _, name := range []string{
		"schemas", "id", "externalId", "meta", "userName", "name", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone",
		"active", "password", "emails", "phoneNumbers", "ims", "photos", "addresses", "groups", "entitlements", "roles", "x509Certificates", "members",
		"value", "display", "type", "primary", "$ref", "formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix",
		"Operations", "op", "path",
	} {
		out[strings.ToLower(name)] = name
	}
	return out
}()

func attribute(name string) string {
	if known := attributes[strings.ToLower(name)]; known != "" {
		return known
	}
	return name
}

var errTwice = errors.New("scim: an attribute is there twice")

// canonical writes the names of an object's attributes as they are written; two that differ by case alone are an error.
func canonical(m map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for name, v := range m {
		v, err := canonicalValue(v)
		if err != nil {
			return nil, err
		}
		name = attribute(name)
		if _, twice := out[name]; twice {
			return nil, errTwice
		}
		out[name] = v
	}
	return out, nil
}

func canonicalValue(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		return canonical(v)
	case []any:
		for i := range v {
			var err error
			if v[i], err = canonicalValue(v[i]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// checked makes a resource of what was pushed.
func (s *Server) checked(of kind, m map[string]any) (*resource, error) {
	r := &resource{changed: s.c.Now(), doc: m}
	for _, own := range []string{"id", "meta", "password", "groups"} { // ours to say, or nobody's to keep
		delete(m, own)
	}
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	if _, ok := m["schemas"].([]any); !ok {
		m["schemas"] = []any{of.schema}
	}
	for _, name := range append(slices.Clone(of.indexed), "displayName") {
		if v, there := m[name]; there {
			if text, ok := v.(string); !ok || len(text) > 1024 {
				return nil, invalid(name + " is no text, or too long")
			}
		}
	}
	if of.name == "Users" {
		if r.text("userName") == "" {
			return nil, invalid("userName is missing")
		}
		active, ok := truth(m["active"], true)
		if !ok {
			return nil, invalid("active is neither true nor false")
		}
		m["active"] = active
		return r, nil
	}
	if r.text("displayName") == "" {
		return nil, invalid("displayName is missing")
	}
	ids, err := membersOf(m["members"])
	if err != nil {
		return nil, err
	}
	if len(ids) > s.c.Members {
		return nil, &problem{413, "tooMany", "a group has at most " + itoa(s.c.Members) + " members here"}
	}
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = map[string]any{"value": id}
	}
	m["members"] = list
	return r, nil
}

// truth reads a boolean; some providers push it as a text.
func truth(v any, absent bool) (is, ok bool) {
	switch v := v.(type) {
	case nil:
		return absent, true
	case bool:
		return v, true
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}

// membersOf are the ids of members, each once.
func membersOf(v any) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		if one, single := v.(map[string]any); single {
			list = []any{one}
		} else {
			return nil, invalid("members is no list")
		}
	}
	var out []string
	seen := map[string]bool{}
	for _, one := range list {
		m, _ := one.(map[string]any)
		id, ok := m["value"].(string)
		if !ok || id == "" || len(id) > 256 {
			return nil, invalid("a member has no value")
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out, nil
}

func (r *resource) text(name string) string {
	t, _ := r.doc[name].(string)
	return t
}

func (r *resource) members() []string {
	ids, _ := membersOf(r.doc["members"]) // they were checked
	return ids
}

// copied is the document, to be changed.
func (r *resource) copied() map[string]any {
	return copyOf(r.doc).(map[string]any)
}

func copyOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, one := range v {
			out[k] = copyOf(one)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = copyOf(one)
		}
		return out
	}
	return v
}

// person is a user as others know them.
func (r *resource) person() Person {
	p := Person{UserName: r.text("userName"), ExternalID: r.text("externalId")}
	list, _ := r.doc["emails"].([]any)
	for _, one := range list {
		m, _ := one.(map[string]any)
		if address, ok := m["value"].(string); ok && address != "" && len(p.Emails) < 16 {
			p.Emails = append(p.Emails, address)
		}
	}
	return p
}

func (p Person) same(o Person) bool {
	return p.UserName == o.UserName && p.ExternalID == o.ExternalID && slices.Equal(p.Emails, o.Emails)
}

// tell tells of whoever a change concerns, before it is made: was or now is nil where there is none.
func (s *Server) tell(ctx context.Context, of kind, was, now *resource) error {
	var who []Person
	if of.name == "Users" {
		active := func(r *resource) bool { return r != nil && r.doc["active"] == true }
		switch {
		case was != nil && (now == nil || !active(now) || !was.person().same(now.person())):
			who = append(who, was.person())
		}
		if now != nil && !active(now) && (was == nil || !was.person().same(now.person())) {
			who = append(who, now.person())
		}
	} else {
		var before, after []string
		if was != nil {
			before = was.members()
		}
		if now != nil {
			after = now.members()
		}
		if was != nil && now != nil && was.text("displayName") != now.text("displayName") {
			before = append(before, after...) // all of them are members of something else
			after = nil
		}
		var err error
		if who, err = s.people(ctx, difference(before, after)); err != nil {
			return err
		}
	}
	if len(who) == 0 {
		return nil
	}
	return s.c.Changed(ctx, who)
}

// difference are those in one of two lists alone.
func difference(a, b []string) []string {
	const inA, inB = 1, 2
	in := map[string]int{}
	for _, id := range a {
		in[id] |= inA
	}
	for _, id := range b {
		in[id] |= inB
	}
	maps.DeleteFunc(in, func(_ string, n int) bool { return n == inA|inB })
	return slices.Sorted(maps.Keys(in))
}

// people are the users of ids. One that is not known, as a group within a group, is passed over.
func (s *Server) people(ctx context.Context, ids []string) ([]Person, error) {
	found := make([]*resource, len(ids))
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(atOnce)
	for i, id := range ids {
		asking.Go(func() (err error) {
			if found[i], err = s.k.get(ctx, users, id); errors.Is(err, errMissing) {
				err = nil
			}
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	var who []Person
	for _, u := range found {
		if u != nil {
			who = append(who, u.person())
		}
	}
	return who, nil
}

// atOnce is how many members are looked up at once.
const atOnce = 16

func (s *Server) location(of kind, id string) string { return s.c.Path + "/" + of.name + "/" + id }

// shown is a resource as it is answered; nil when there is none.
func (s *Server) shown(of kind, r *resource, without string) any {
	if r == nil {
		return nil
	}
	out := maps.Clone(r.doc)
	out["id"] = r.id
	out["meta"] = map[string]any{
		"resourceType": strings.TrimSuffix(of.name, "s"), "created": r.created.UTC().Format(time.RFC3339), "lastModified": r.changed.UTC().Format(time.RFC3339),
		"location": s.location(of, r.id),
	}
	for name := range strings.SplitSeq(without, ",") {
		if name = attribute(strings.TrimSpace(name)); name != "id" && name != "schemas" {
			delete(out, name)
		}
	}
	return out
}

// kept is a resource as it is kept.
type kept struct {
	ID      string         `json:"id"`
	Created time.Time      `json:"created"`
	Changed time.Time      `json:"changed"`
	Doc     map[string]any `json:"doc"`
}

func (r *resource) encode() ([]byte, error) {
	return json.Marshal(kept{r.id, r.created, r.changed, r.doc})
}
