package mcpbroker

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// defaultSeparator stands between a server's name and a tool's.
const defaultSeparator = "__"

// ui is the scheme of resources that a client shows as an application (the MCP Apps extension): clients look for it, so it stays
// in front.
const ui = "ui://"

var (
	serverName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	separatorText = regexp.MustCompile(`^[_.-]{1,4}$`)
	setName       = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
)

// names are how clients call what many servers have: a tool or prompt server__name, a resource server+uri (and ui://server+rest,
// since clients know those by their scheme). Both ways are one to one: what a client sends is cut at the first separator, which no
// server's name can hold, and a uri counts only as we would write it. In a bare set of one server nothing has to be told apart: names
// and uris are the server's own.
type names struct {
	separator string
	servers   map[string]*server
	bare      *server // of a bare set
}

// bareOf are the names of a bare set.
func (n names) bareOf(s *server) names {
	n.bare = s
	return n
}

// checkNames refuses names that could be taken for one another: with them, two tools would be called alike.
func checkNames(separator string, servers []string) error {
	if !separatorText.MatchString(separator) {
		return fmt.Errorf("mcpbroker: the separator %q is not one to four of _ . and -", separator)
	}
	for _, s := range servers {
		if !serverName.MatchString(s) {
			return fmt.Errorf("mcpbroker: %q is no name for a server: use lower-case letters, digits and -, a letter first", s)
		}
		if strings.Index(s+separator, separator) != len(s) {
			return fmt.Errorf("mcpbroker: the server %q collides with others: its name holds the separator %q, or ends like it", s, separator)
		}
	}
	return nil
}

func (n names) join(s *server, name string) string {
	if n.bare != nil {
		return name
	}
	return s.name + n.separator + name
}

// split finds whose tool or prompt a name means.
func (n names) split(full string) (*server, string, bool) {
	if n.bare != nil {
		return n.bare, full, full != ""
	}
	first, name, ok := strings.Cut(full, n.separator)
	s := n.servers[first]
	return s, name, ok && s != nil && name != ""
}

func (n names) joinURI(s *server, uri string) string {
	if n.bare != nil {
		return uri
	}
	if rest, ok := strings.CutPrefix(uri, ui); ok {
		return ui + s.name + "+" + rest
	}
	return s.name + "+" + uri
}

// splitURI finds whose resource a uri means.
func (n names) splitURI(full string) (*server, string, bool) {
	if n.bare != nil {
		return n.bare, full, full != ""
	}
	prefix, text := "", full
	if rest, ok := strings.CutPrefix(full, ui); ok {
		prefix, text = ui, rest
	}
	first, rest, ok := strings.Cut(text, "+")
	s := n.servers[first]
	if !ok || s == nil || rest == "" {
		return nil, "", false
	}
	uri := prefix + rest
	return s, uri, n.joinURI(s, uri) == full
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
