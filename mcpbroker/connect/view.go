package connect

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/yellowjack/yellowjack/mcpbroker/tokens"
)

//go:embed page.html
var files embed.FS

var pages = template.Must(template.ParseFS(files, "page.html")) //nolint:gochecknoglobals // a constant in all but syntax

// styleSource is how the policy of a page names the one style that it has, by what it says (CSP Level 3, section 2.3.1).
func styleSource() (string, error) {
	text, err := files.ReadFile("page.html")
	if err != nil {
		return "", err
	}
	_, after, begins := strings.Cut(string(text), "<style>")
	style, _, ends := strings.Cut(after, "</style>")
	if !begins || !ends {
		return "", errors.New("connect: the page has no style")
	}
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'", nil
}

// view is what a page shows.
type view struct {
	Title, Text, Who, CSRF            string
	Server, Resource, Asks, Authority string
	Scopes                            []string
	Rows                              []row
}

// row is a server in the list.
type row struct {
	Name      string
	Connected bool
}

func sortRows(rows []row) []row {
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.Name, b.Name) })
	return rows
}

func (p *Page) show(w http.ResponseWriter, status int, name string, v view) {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, v); err != nil {
		p.c.Log.Error("a page could not be made", "err", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

// fail shows a failure, and what to do about it.
func (p *Page) fail(w http.ResponseWriter, status int, title, text string) {
	p.show(w, status, "fail", view{Title: title, Text: text})
}

// stale is a request that belongs to nothing: too late, a second time, or of another browser.
func (p *Page) stale(w http.ResponseWriter) {
	p.fail(w, http.StatusBadRequest, "This has expired", "It was begun too long ago, in another browser, or is finished already. Nothing was connected by it. Begin again from the list.")
}

// broken is a failure that is not hers.
func (p *Page) broken(w http.ResponseWriter, err error) {
	p.c.Log.Warn("the connect page failed", "err", err)
	switch {
	case errors.Is(err, tokens.ErrRefused):
		p.fail(w, http.StatusBadGateway, "The server gave no access", "Nothing was connected. Begin again; tell your administrator if it stays so.")
	case errors.Is(err, tokens.ErrUnreachable):
		p.fail(w, http.StatusBadGateway, "The server cannot be reached", "Nothing was connected. Try again in a few minutes.")
	default:
		p.fail(w, http.StatusServiceUnavailable, "This does not work at the moment", "Try again in a minute.")
	}
}
