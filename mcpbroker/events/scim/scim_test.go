package scim

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/yellowjack/yellowjack/internal/store"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// world is a server and who was told.
type world struct {
	t      testing.TB
	server *Server
	mu     sync.Mutex
	told   []string
	fails  error
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t}
	c := Config{
		Store: store.Sealed(store.Memory(store.MemoryConfig{}), store.RandomKeys()), Keys: store.RandomKeys(), Realm: "corp", Path: "/events/scim/corp/v2",
		Changed: func(_ context.Context, who []Person) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fails != nil {
				return w.fails
			}
			for _, p := range who {
				w.told = append(w.told, strings.Join(append([]string{p.UserName, p.ExternalID}, p.Emails...), ","))
			}
			return nil
		},
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	if w.server, err = New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) do(method, path, body string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "/events/scim/corp/v2"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	out := httptest.NewRecorder()
	w.server.ServeHTTP(out, r)
	b, _ := io.ReadAll(out.Result().Body)
	return out.Code, string(b)
}

// made creates a resource and gives its id.
func (w *world) made(path, body string) string {
	w.t.Helper()
	status, answer := w.do(http.MethodPost, path, body)
	var r struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &r); err != nil || status != http.StatusCreated || r.ID == "" {
		w.t.Fatalf("%d %s %v", status, answer, err)
	}
	return r.ID
}

func (w *world) heard() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := strings.Join(w.told, "; ")
	w.told = nil
	return out
}

var idIn = regexp.MustCompile(`"id":"([A-Z0-9]{26})"`)

// TestTranscripts plays what identity providers push. Each request is a file "METHOD path"; what was answered, and who was told,
// follows. ${n} is the n-th id that was made.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			var ids []string
			hide := func(s string) string {
				for i, id := range ids {
					s = strings.ReplaceAll(s, id, fmt.Sprintf("${%d}", i))
				}
				return s
			}
			show := func(s string) string {
				for i, id := range ids {
					s = strings.ReplaceAll(s, fmt.Sprintf("${%d}", i), id)
				}
				return s
			}
			var out []txtar.File
			for _, f := range archive.Files {
				method, path, isRequest := strings.Cut(f.Name, " ")
				if !isRequest || method == "answer" {
					continue
				}
				status, answer := w.do(method, show(path), show(string(f.Data)))
				if m := idIn.FindStringSubmatch(answer); m != nil && method == http.MethodPost {
					ids = append(ids, m[1])
				}
				text := hide(answer) + "\n"
				if told := w.heard(); told != "" {
					text += "told: " + told + "\n"
				}
				out = append(out, f, txtar.File{Name: fmt.Sprintf("answer %d", status), Data: []byte(text)})
			}
			got := txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: out})
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, _ := os.ReadFile(file); string(want) != string(got) {
				t.Errorf("%s is answered otherwise (-update rewrites it):\n%s", file, got)
			}
		})
	}
}

// TestToldFirst: a change that nobody could be told of is not made, and is told when it is pushed again.
func TestToldFirst(t *testing.T) {
	w := newWorld(t)
	id := w.made("/Users", `{"userName":"sara","active":true}`)
	group := w.made("/Groups", `{"displayName":"finance","members":[{"value":"`+id+`"}]}`)
	w.heard()
	w.fails = errors.New("away")
	for name, do := range map[string][3]string{
		"lock":   {"PATCH", "/Users/" + id, `{"Operations":[{"op":"replace","value":{"active":false}}]}`},
		"delete": {"DELETE", "/Users/" + id, ""},
		"leave":  {"PATCH", "/Groups/" + group, `{"Operations":[{"op":"remove","path":"members[value eq \"` + id + `\"]"}]}`},
		"made":   {"POST", "/Users", `{"userName":"locked","active":false}`},
	} {
		if status, answer := w.do(do[0], do[1], do[2]); status != http.StatusServiceUnavailable || strings.Contains(answer, "away") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	w.fails = nil
	if _, answer := w.do("GET", "/Users/"+id, ""); !strings.Contains(answer, `"active":true`) {
		t.Errorf("a change was made: %s", answer)
	}
	if _, answer := w.do("GET", "/Users?filter=userName+eq+%22locked%22", ""); !strings.Contains(answer, `"totalResults":0`) {
		t.Errorf("a user was made: %s", answer)
	}
	if status, _ := w.do("PATCH", "/Groups/"+group, `{"Operations":[{"op":"remove","path":"members[value eq \"`+id+`\"]"}]}`); status != 200 || w.heard() != "sara," {
		t.Error(status)
	}
}

func TestRefuses(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.BodyBytes, c.Members, c.Resources = 2000, 3, 1 })
	id := w.made("/Users", `{"userName":"sara"}`)
	for _, c := range []struct {
		do, body string
		status   int
		kind     string
	}{
		{"POST /Users", `{"userName":"SARA"}`, 409, "uniqueness"},
		{"POST /Users", `{}`, 400, "invalidValue"},
		{"POST /Users", `{"userName":7}`, 400, "invalidValue"},
		{"POST /Users", `{"userName":"x","active":"maybe"}`, 400, "invalidValue"},
		{"POST /Users", `{"userName":"x","username":"y"}`, 400, "invalidSyntax"},
		{"POST /Users", `{"userName":"x","userName":"y"}`, 400, "invalidSyntax"},
		{"POST /Users", `[]`, 400, "invalidSyntax"},
		{"POST /Users", `{"userName":"` + strings.Repeat("x", 2000) + `"}`, 413, ""},
		{"POST /Groups", `{"displayName":"g","members":[{"value":"1"},{"value":"2"},{"value":"3"},{"value":"4"}]}`, 413, "tooMany"},
		{"POST /Groups", `{"displayName":"g","members":"x"}`, 400, "invalidValue"},
		{"POST /Groups", `{"displayName":"g","members":[{"x":1}]}`, 400, "invalidValue"},
		{"POST /Groups", `{}`, 400, "invalidValue"},
		{"PATCH /Users/" + id, `{"Operations":[]}`, 400, "invalidSyntax"},
		{"PATCH /Users/" + id, `{"Operations":[{"op":"move","path":"x"}]}`, 400, "invalidSyntax"},
		{"PATCH /Users/" + id, `{"Operations":[{"op":"remove"}]}`, 400, "noTarget"},
		{"PATCH /Users/" + id, `{"Operations":[{"op":"replace","value":1}]}`, 400, "invalidValue"},
		{"PATCH /Users/" + id, `{"Operations":[{"op":"replace","path":"a b","value":1}]}`, 400, "invalidPath"},
		{"PATCH /Users/" + id, `{"Operations":[{"op":"replace","path":"emails[type gt 1]","value":1}]}`, 400, "invalidPath"},
		{"PATCH /Users/" + id, `{"Operations":[{"op":"replace","path":"userName.x","value":1}]}`, 400, "invalidPath"},
		{"PATCH /Users/" + id, `{"Operations":[{"op":"remove","path":"userName"}]}`, 400, "invalidValue"},
		{"GET /Users/none", ``, 404, ""},
		{"GET /Users/" + strings.Repeat("A", 26), ``, 404, ""},
		{"DELETE /Users/" + strings.Repeat("A", 26), ``, 404, ""},
		{"PUT /Groups/" + id, `{"displayName":"x"}`, 404, ""},
		{"GET /Users/" + id + "/x", ``, 404, ""},
		{"GET /Else", ``, 404, ""},
		{"GET /Schemas/else", ``, 404, ""},
		{"DELETE /Users", ``, 405, ""},
		{"POST /Schemas", `{}`, 405, ""},
		{"GET /Users?filter=userName+sw+%22s%22", ``, 400, "invalidFilter"},
		{"GET /Users?filter=title+eq+%22s%22", ``, 400, "invalidFilter"},
		{"GET /Users?filter=userName+eq+%22s", ``, 400, "invalidFilter"},
		{"GET /Users?count=x", ``, 400, "invalidValue"},
	} {
		method, path, _ := strings.Cut(c.do, " ")
		status, answer := w.do(method, path, c.body)
		if status != c.status || !strings.Contains(answer, `"status":"`+itoa(c.status)+`"`) || c.kind != "" && !strings.Contains(answer, `"scimType":"`+c.kind+`"`) {
			t.Errorf("%s %s: %d %s", c.do, c.body, status, answer)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/events/scim/corp/v2/Users", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "text/plain")
	out := httptest.NewRecorder()
	if w.server.ServeHTTP(out, r); out.Code != http.StatusUnsupportedMediaType {
		t.Error(out.Code)
	}
	full := false
	for i := range 64 * 20 {
		if status, _ := w.do("POST", "/Users", fmt.Sprintf(`{"userName":"u%d"}`, i)); status == 507 {
			full = true
			break
		}
	}
	if !full {
		t.Error("there is no end to it")
	}
}

// TestRealms: what one provider pushed is nobody else's, and names nobody in the store's keys.
func TestRealms(t *testing.T) {
	shared, keys := store.Memory(store.MemoryConfig{}), store.RandomKeys()
	one := newWorld(t, func(c *Config) { c.Store, c.Keys = shared, keys })
	other := newWorld(t, func(c *Config) { c.Store, c.Keys, c.Realm = shared, keys, "partner" })
	id := one.made("/Users", `{"userName":"sara","externalId":"x1"}`)
	for _, path := range []string{"/Users/" + id, "/Users?filter=userName+eq+%22sara%22", "/Users"} {
		if status, answer := other.do("GET", path, ""); status != 404 && !strings.Contains(answer, `"totalResults":0`) {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	other.made("/Users", `{"userName":"sara"}`)
	for name, c := range map[string]*world{"one": one, "other": other} {
		if index := c.server.k.index(users, "userName", "sara"); strings.Contains(index, "sara") || strings.Contains(index, c.server.c.Realm) {
			t.Errorf("%s: %q", name, index)
		}
	}
}

// far is a store that takes a moment to answer, as one behind a network does.
type far struct{ store.Store }

func (f far) Do(ctx context.Context, ops ...store.Op) error {
	time.Sleep(time.Millisecond)
	return f.Store.Do(ctx, ops...)
}

// TestAtOnce: of changes at once none is lost.
func TestAtOnce(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Store = far{c.Store} })
	group := w.made("/Groups", `{"displayName":"all"}`)
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			body := fmt.Sprintf(`{"Operations":[{"op":"add","path":"members","value":[{"value":"U%d"}]}]}`, i)
			if status, answer := w.do("PATCH", "/Groups/"+group, body); status != 200 {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
	wait.Wait()
	if _, answer := w.do("GET", "/Groups/"+group, ""); strings.Count(answer, `"value"`) != 20 {
		t.Error(answer)
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{`userName`, `name.givenName`, `emails[type eq "work"].value`, `members[value eq "x"]`, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", `a[b eq "]"]`, "urn:x", `a[b eq "\\"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := pathOf(s)
		if err != nil {
			return
		}
		if at.attribute == "" {
			t.Errorf("%q is the path of nothing", s)
		}
		doc := map[string]any{"emails": []any{map[string]any{"type": "work"}}, "name": map[string]any{}}
		for _, op := range []string{"add", "replace", "remove"} {
			_ = applyAt(doc, op, at, "v")
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{`userName eq "x"`, `id eq "x" and members eq "y"`, `active eq true`, `a eq "\u0041\"" AND b EQ false`, `"`, ` `} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := comparisons(s)
		if err == nil && len(all) == 0 {
			t.Errorf("%q asks for nothing", s)
		}
		for _, c := range all {
			if c.attribute == "" || c.value == nil {
				t.Errorf("%q: %+v", s, c)
			}
		}
	})
}

// TestPages: all resources are on some page, each on one.
func TestPages(t *testing.T) {
	w := newWorld(t)
	want := map[string]bool{}
	for i := range 7 {
		want[w.made("/Users", fmt.Sprintf(`{"userName":"u%d"}`, i))] = true
	}
	for from := 1; from < 9; from += 3 {
		_, answer := w.do("GET", fmt.Sprintf("/Users?startIndex=%d&count=3", from), "")
		found := idIn.FindAllStringSubmatch(answer, -1)
		if !strings.Contains(answer, `"totalResults":7`) || !strings.Contains(answer, fmt.Sprintf(`"startIndex":%d`, from)) || len(found) != min(3, 8-from) {
			t.Errorf("from %d: %s", from, answer)
		}
		for _, m := range found {
			delete(want, m[1])
		}
	}
	if len(want) > 0 {
		t.Errorf("on no page: %v", want)
	}
}
