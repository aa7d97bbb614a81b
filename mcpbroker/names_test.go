package mcpbroker

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	for name, c := range map[string]struct {
		separator string
		servers   []string
		wrong     string
	}{
		"plain":                {"__", []string{"a", "b-c"}, ""},
		"another separator":    {".", []string{"a", "b-c"}, ""},
		"a dash, and a server": {"-", []string{"a", "b-c"}, "collides"},
		"ends like it":         {"--", []string{"a-"}, "collides"},
		"upper case":           {"__", []string{"A"}, "no name"},
		"an underscore":        {"__", []string{"a_b"}, "no name"},
		"a plus":               {"__", []string{"a+b"}, "no name"},
		"an odd separator":     {"/", []string{"a"}, "separator"},
		"no separator":         {"", []string{"a"}, "separator"},
	} {
		err := checkNames(c.separator, c.servers)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNamesAreReversible: what is joined is cut into the same again, and no two items of any servers have one name.
func TestNamesAreReversible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		separator := rapid.StringMatching(`[_.-]{1,4}`).Draw(t, "separator")
		n := names{separator: separator, servers: map[string]*server{}}
		var all []string
		for _, s := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9-]{0,5}`), 1, 5, rapid.ID[string]).Draw(t, "servers") {
			if checkNames(separator, []string{s}) == nil {
				n.servers[s] = &server{name: s}
				all = append(all, s)
			}
		}
		if len(all) == 0 {
			t.Skip("no server can be called so")
		}
		made := map[string]string{}
		item := rapid.OneOf(rapid.StringMatching(`[a-z_.+-]{1,8}`), rapid.StringMatching(`(ui://|file:///|urn:)?[a-z+_:/-]{1,8}`), rapid.String())
		for range 20 {
			s := n.servers[rapid.SampledFrom(all).Draw(t, "server")]
			name := item.Draw(t, "item")
			if name == "" || name == ui {
				continue
			}
			for kind, full := range map[string]string{"name": n.join(s, name), "uri": n.joinURI(s, name)} {
				split := n.split
				if kind == "uri" {
					split = n.splitURI
				}
				if of, got, ok := split(full); !ok || of != s || got != name {
					t.Fatalf("%s %q of %s is %q, and that is %v %q %v", kind, name, s.name, full, of, got, ok)
				}
				if other, taken := made[kind+full]; taken && other != s.name+"\x00"+name {
					t.Fatalf("%q is two", full)
				}
				made[kind+full] = s.name + "\x00" + name
			}
		}
	})
}

// TestURIsAsWritten: what we would not write so is no name of anything.
func TestURIsAsWritten(t *testing.T) {
	n := names{separator: "__", servers: map[string]*server{"files": {name: "files"}}}
	for _, uri := range []string{"", "files+", "files", "other+file:///x", "files+ui://x", "ui://files+", "ui://other+x", "file:///x", "FILES+file:///x"} {
		if s, got, ok := n.splitURI(uri); ok {
			t.Errorf("%q is %v %q", uri, s, got)
		}
	}
	if _, got, ok := n.splitURI("ui://files+app/x"); !ok || got != "ui://app/x" {
		t.Errorf("%q", got)
	}
}
