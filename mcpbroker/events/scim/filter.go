package scim

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// comparison is what a filter asks for (RFC 7644, section 3.4.2.2): of all its language, that an attribute equals a text or a boolean,
// which is what providers ask before they push.
type comparison struct {
	attribute string
	value     any // a text or a boolean
}

func (c *comparison) holds(m map[string]any) bool {
	if want, ok := c.value.(bool); ok {
		is, known := truth(m[c.attribute], false)
		return known && is == want
	}
	return m[c.attribute] == c.value
}

// maxFilter bounds a filter and a path.
const maxFilter = 2048

func badFilter() error {
	return bad("invalidFilter", `this filter is not supported; use one such as userName eq "sara"`)
}

// comparisons reads comparisons that are joined by and.
func comparisons(text string) ([]comparison, error) {
	if len(text) > maxFilter {
		return nil, badFilter()
	}
	var out []comparison
	for {
		one, rest, err := compared(text)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			return out, nil
		}
		word, after, ok := strings.Cut(rest, " ")
		if !ok || !strings.EqualFold(word, "and") {
			return nil, badFilter()
		}
		text = after
	}
}

// compared reads one comparison from the beginning of a text.
func compared(text string) (comparison, string, error) {
	name, rest, ok := strings.Cut(strings.TrimLeft(text, " "), " ")
	op, rest, also := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if !ok || !also || !strings.EqualFold(op, "eq") || !plainName(name) {
		return comparison{}, "", badFilter()
	}
	name = name[strings.LastIndexByte(name, ':')+1:]
	c := comparison{attribute: attribute(name)}
	rest = strings.TrimLeft(rest, " ")
	if !strings.HasPrefix(rest, `"`) {
		word, after, _ := strings.Cut(rest, " ")
		is, known := truth(word, false)
		if !known || word == "" {
			return comparison{}, "", badFilter()
		}
		c.value = is
		return c, after, nil
	}
	end := 1
	for end < len(rest) && rest[end] != '"' {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(rest) {
		return comparison{}, "", badFilter()
	}
	m, err := strictjson.Plain([]byte(`{"v":`+rest[:end+1]+`}`), strictjson.Limits{MaxBytes: 2 * maxFilter, MaxDepth: 2})
	if err != nil {
		return comparison{}, "", badFilter()
	}
	c.value = m["v"]
	return c, rest[end+1:], nil
}

// plainName tells whether a text can be an attribute's name, with its schema before it and a part behind it.
func plainName(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.:$", r)
	})
}

// pathOf reads the path of an operation: attribute, attribute.part, attribute[filter], attribute[filter].part, or one of these behind
// a schema's name.
func pathOf(text string) (*target, error) {
	wrong := bad("invalidPath", "this path is not supported")
	if len(text) > maxFilter {
		return nil, wrong
	}
	head, filter, filtered := strings.Cut(text, "[")
	if !plainName(head) {
		return nil, wrong
	}
	if strings.HasPrefix(strings.ToLower(head), "urn:") {
		schema, name, _ := cutLast(head, ":")
		if !strings.EqualFold(schema, schemaUser) && !strings.EqualFold(schema, schemaGroup) { // an extension is an attribute with parts
			if filtered || name == "" || strings.Contains(name, ".") && !strings.HasSuffix(schema, ":2.0") {
				return nil, wrong
			}
			if strings.EqualFold(name, "User") || strings.EqualFold(name, "Group") {
				return &target{attribute: head}, nil // the extension itself
			}
			return &target{attribute: schema, sub: attribute(name)}, nil
		}
		head = name
	}
	if !filtered {
		name, sub, _ := strings.Cut(head, ".")
		if name == "" || strings.Contains(sub, ".") || strings.HasSuffix(head, ".") {
			return nil, wrong
		}
		return &target{attribute: attribute(name), sub: attribute(sub)}, nil
	}
	inner, after, closed := cutLast(filter, "]")
	if !closed || strings.Contains(head, ".") {
		return nil, wrong
	}
	all, err := comparisons(inner)
	if err != nil || len(all) != 1 {
		return nil, wrong
	}
	out := &target{attribute: attribute(head), filter: &all[0]}
	if after != "" {
		sub, ok := strings.CutPrefix(after, ".")
		if !ok || !plainName(sub) || strings.Contains(sub, ".") {
			return nil, wrong
		}
		out.sub = attribute(sub)
	}
	return out, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// maxPage bounds a list.
const maxPage = 200

// list answers a query (RFC 7644, section 3.4.2).
func (s *Server) list(ctx context.Context, of kind, q url.Values) (any, error) {
	from, count := 1, 100
	for name, to := range map[string]*int{"startIndex": &from, "count": &count} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, invalid(name + " is no number")
			}
			*to = n
		}
	}
	from, count = max(from, 1), min(max(count, 0), maxPage)
	var page []*resource
	var total int
	var err error
	if filter := q.Get("filter"); filter != "" {
		page, err = s.matching(ctx, of, filter)
		total = len(page)
		page = page[min(from-1, len(page)):]
		page = page[:min(count, len(page))]
	} else {
		page, total, err = s.k.all(ctx, of, from, count)
	}
	if err != nil {
		return nil, err
	}
	shown := make([]any, len(page))
	for i, r := range page {
		shown[i] = s.shown(of, r, q.Get("excludedAttributes"))
	}
	return map[string]any{"schemas": []string{schemaList}, "totalResults": total, "startIndex": from, "itemsPerPage": len(shown), "Resources": shown}, nil
}

// matching finds the resource that a filter means: by its id or an indexed attribute, and whatever else is asked of it.
func (s *Server) matching(ctx context.Context, of kind, filter string) ([]*resource, error) {
	all, err := comparisons(filter)
	if err != nil {
		return nil, err
	}
	first := slices.IndexFunc(all, func(c comparison) bool {
		_, text := c.value.(string)
		return text && (c.attribute == "id" || slices.Contains(of.indexed, c.attribute))
	})
	if first < 0 {
		return nil, badFilter()
	}
	id := all[first].value.(string)
	if name := all[first].attribute; name != "id" {
		if id, err = s.k.holder(ctx, of, name, s.k.index(of, name, id)); err != nil || id == "" {
			return nil, err
		}
	}
	r, err := s.k.get(ctx, of, id)
	if err == errMissing { //nolint:errorlint // it is that one
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for i, c := range all {
		if i != first && !r.has(c) {
			return nil, nil
		}
	}
	return []*resource{r}, nil
}

// has tells whether a comparison holds of a resource; members eq is that one of them is meant.
func (r *resource) has(c comparison) bool {
	want, text := c.value.(string)
	switch {
	case c.attribute == "id":
		return r.id == want
	case c.attribute == "members" || c.attribute == "members.value":
		return slices.Contains(r.members(), want)
	case text && (c.attribute == "userName" || c.attribute == "displayName"):
		return strings.EqualFold(r.text(c.attribute), want)
	}
	return c.holds(r.doc)
}
