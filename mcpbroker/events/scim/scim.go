// Package scim is the part of SCIM 2.0 (RFC 7643, 7644) that identity providers push users and groups by: who was locked, who was put
// into a group or taken out of one.
//
// It keeps users and groups as they were pushed, in the store, each under a random id in one of a few slots, with an index of their names
// (keep.go): a provider looks for what it made before it makes it. A change is worked out on what is kept (resource.go, patch.go), and
// before it is written, Changed is told of whoever it concerns: a user who becomes inactive, goes, or gets another name; everybody
// whose membership of a group is another one. When that fails nothing is written, and the provider, which reads a 503, pushes again.
//
// What is kept decides nothing. Access is what a token says; this only makes older tokens count no more.
package scim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/yellowjack/yellowjack/internal/store"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// Person is a user as others know them.
type Person struct {
	UserName, ExternalID string
	Emails               []string
}

// Config is what a Server works with. Zero numbers take their defaults.
type Config struct {
	Store store.Store // that seals what it keeps
	Keys  *store.Keys
	// Realm keeps what one provider pushed from what another did.
	Realm string
	// Path is where the server is, without a last slash; locations begin with it.
	Path string
	// Changed is told whose access is another one. An error means that it has to be told again.
	Changed func(ctx context.Context, who []Person) error

	BodyBytes int // default 1 MiB
	Resources int // users, and groups, at most; default 100,000 of each
	Members   int // of a group, at most; default 20,000
	Log       *slog.Logger
	Now       func() time.Time
}

// Server is an http.Handler for what is below Path. Who may call it is the caller's to know.
type Server struct {
	c Config
	k keeper
}

// New makes a server.
func New(c Config) (*Server, error) {
	if c.Store == nil || c.Keys == nil || c.Changed == nil || c.Realm == "" {
		return nil, errors.New("scim: a store, its keys, a realm and who is told are needed")
	}
	for n, def := range map[*int]int{&c.BodyBytes: 1 << 20, &c.Resources: 100_000, &c.Members: 20_000} {
		if *n == 0 {
			*n = def
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Server{c: c, k: keeper{c: c}}, nil
}

// The schemas.
const (
	schemaUser   = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaGroup  = "urn:ietf:params:scim:schemas:core:2.0:Group"
	schemaConfig = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	schemaType   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaSchema = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	schemaList   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	schemaError  = "urn:ietf:params:scim:api:messages:2.0:Error"
	schemaPatch  = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// problem is an error of RFC 7644, section 3.12.
type problem struct {
	status int
	kind   string // scimType; "" is none
	detail string
}

func (p *problem) Error() string { return p.detail }

func bad(kind, detail string) *problem { return &problem{http.StatusBadRequest, kind, detail} }

func invalid(detail string) *problem { return bad("invalidValue", detail) }

var errMissing = &problem{http.StatusNotFound, "", "there is no such resource"}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, s.c.Path+"/")
	name, id, _ := strings.Cut(rest, "/")
	answer, status, err := any(nil), http.StatusOK, error(errMissing)
	switch {
	case !ok || strings.Contains(id, "/"):
	case name == "Users":
		answer, status, err = s.resource(w, r, users, id)
	case name == "Groups":
		answer, status, err = s.resource(w, r, groups, id)
	case r.Method != http.MethodGet && known(name):
		err = &problem{http.StatusMethodNotAllowed, "", "this is only read"}
	default:
		if found := s.about(name, id); found != nil {
			answer, err = found, nil
		}
	}
	s.reply(w, answer, status, err)
}

func (s *Server) reply(w http.ResponseWriter, answer any, status int, err error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if err != nil {
		var p *problem
		if !errors.As(err, &p) {
			s.c.Log.Error("a pushed change could not be taken", "realm", s.c.Realm, "err", err)
			p = &problem{http.StatusServiceUnavailable, "", "this cannot be done now; try again"}
			h.Set("Retry-After", "5")
		}
		said := map[string]any{"schemas": []string{schemaError}, "status": http.StatusText(p.status), "detail": p.detail}
		said["status"] = itoa(p.status)
		if p.kind != "" {
			said["scimType"] = p.kind
		}
		answer, status = said, p.status
	}
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	doc, err := json.Marshal(answer)
	if err != nil {
		s.c.Log.Error("an answer could not be written", "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/scim+json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(doc) // a client that is gone needs no answer
}

// body reads the object of a request.
func (s *Server) body(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/scim+json" && kind != "application/json" ||
		params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, &problem{http.StatusUnsupportedMediaType, "", "content-type must be application/scim+json"}
	}
	doc, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.c.BodyBytes)))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, &problem{http.StatusRequestEntityTooLarge, "", "the request is too large; send fewer members at once"}
		}
		return nil, bad("", "the request could not be read")
	}
	m, err := strictjson.Plain(doc, strictjson.Limits{MaxBytes: s.c.BodyBytes, MaxDepth: 16})
	if err == nil {
		m, err = canonical(m)
	}
	if err != nil {
		return nil, bad("invalidSyntax", "the request is not one JSON object that can be read")
	}
	return m, nil
}

// resource answers a request for a user or a group, or for all of them.
func (s *Server) resource(w http.ResponseWriter, r *http.Request, of kind, id string) (any, int, error) {
	ctx := r.Context()
	switch r.Method + " " + map[bool]string{true: "all", false: "one"}[id == ""] {
	case "GET all":
		answer, err := s.list(ctx, of, r.URL.Query())
		return answer, http.StatusOK, err
	case "POST all":
		m, err := s.body(w, r)
		if err != nil {
			return nil, 0, err
		}
		made, err := s.create(ctx, of, m)
		if err == nil {
			w.Header().Set("Location", s.location(of, made.id))
		}
		return s.shown(of, made, r.URL.Query().Get("excludedAttributes")), http.StatusCreated, err
	case "GET one":
		found, err := s.k.get(ctx, of, id)
		return s.shown(of, found, r.URL.Query().Get("excludedAttributes")), http.StatusOK, err
	case "PUT one":
		m, err := s.body(w, r)
		if err != nil {
			return nil, 0, err
		}
		return s.change(ctx, of, id, func(map[string]any) (map[string]any, error) { return m, nil })
	case "PATCH one":
		m, err := s.body(w, r)
		if err != nil {
			return nil, 0, err
		}
		ops, err := operations(m)
		if err != nil {
			return nil, 0, err
		}
		return s.change(ctx, of, id, func(was map[string]any) (map[string]any, error) { return was, apply(was, ops) })
	case "DELETE one":
		return nil, http.StatusNoContent, s.remove(ctx, of, id)
	}
	w.Header().Set("Allow", map[bool]string{true: "GET, POST", false: "GET, PUT, PATCH, DELETE"}[id == ""])
	return nil, 0, &problem{http.StatusMethodNotAllowed, "", "this method is not supported here"}
}

// create makes a resource. One of that name is a conflict (RFC 7644, section 3.3).
func (s *Server) create(ctx context.Context, of kind, m map[string]any) (*resource, error) {
	made, err := s.checked(of, m)
	if err != nil {
		return nil, err
	}
	made.id = newID()
	made.created = s.c.Now()
	if err := s.tell(ctx, of, nil, made); err != nil {
		return nil, err
	}
	return made, s.k.add(ctx, of, made)
}

// change replaces a resource by what another one makes of it.
func (s *Server) change(ctx context.Context, of kind, id string, to func(was map[string]any) (map[string]any, error)) (any, int, error) {
	unlock, err := s.k.lock(ctx, of, id)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	was, err := s.k.get(ctx, of, id)
	if err != nil {
		return nil, 0, err
	}
	next, err := to(was.copied())
	if err != nil {
		return nil, 0, err
	}
	now, err := s.checked(of, next)
	if err != nil {
		return nil, 0, err
	}
	now.id, now.created = id, was.created
	if err := s.tell(ctx, of, was, now); err != nil {
		return nil, 0, err
	}
	return s.shown(of, now, ""), http.StatusOK, s.k.put(ctx, of, was, now)
}

func (s *Server) remove(ctx context.Context, of kind, id string) error {
	unlock, err := s.k.lock(ctx, of, id)
	if err != nil {
		return err
	}
	defer unlock()
	was, err := s.k.get(ctx, of, id)
	if err != nil {
		return err
	}
	if err := s.tell(ctx, of, was, nil); err != nil {
		return err
	}
	return s.k.drop(ctx, of, was)
}
