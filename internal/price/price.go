// Package price tells what an answer cost, where its provider does not say so itself.
//
// A Table lists prices by catalog: the hosts that a catalog's prices hold for, and of each model US dollars for a million tokens,
// by kind of token. Shipped is the one that the program carries (scripts/prices.py writes it); an operator may replace it by a file
// of the same form. A model is found by its exact name: a price is never guessed from a similar one, and where one that is needed
// is not in the table, the cost is not known.
package price

import (
	_ "embed"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

//go:embed prices.json
var shipped []byte

// maxFile bounds a table.
const maxFile = 8 << 20

// Rates are US dollars for a million tokens. What is nil has no price in the table.
type Rates struct {
	Input       *float64 `json:"input"`
	Output      *float64 `json:"output"`
	CachedRead  *float64 `json:"cached_read"`
	CachedWrite *float64 `json:"cached_write"`
	// Over are the rates of a request with more input than Tokens: those in it, and for the rest the ones above.
	Over *Over `json:"over"`
}

// Over are the rates of long requests.
type Over struct {
	Tokens      int64    `json:"tokens"`
	Input       *float64 `json:"input"`
	Output      *float64 `json:"output"`
	CachedRead  *float64 `json:"cached_read"`
	CachedWrite *float64 `json:"cached_write"`
}

type catalog struct {
	Hosts  []string         `json:"hosts"` // a * stands for any part of a name
	Models map[string]Rates `json:"models"`
}

// Table is a list of prices. It never changes.
type Table struct {
	AsOf     string             `json:"as_of"` // the day that the prices are of
	Catalogs map[string]catalog `json:"catalogs"`
}

// Shipped is the program's own table.
func Shipped() (*Table, error) { return parse(shipped) }

// Load reads a table from a file.
func Load(file string) (*Table, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("price: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("price: %s is no file of at most %d bytes", file, maxFile)
	}
	doc := make([]byte, info.Size())
	if _, err := f.ReadAt(doc, 0); err != nil {
		return nil, fmt.Errorf("price: %w", err)
	}
	t, err := parse(doc)
	if err != nil {
		return nil, fmt.Errorf("price: %s: %w", file, err)
	}
	return t, nil
}

func parse(doc []byte) (*Table, error) {
	t := &Table{}
	if err := strictjson.Decode(doc, strictjson.Limits{MaxBytes: maxFile}, t); err != nil {
		return nil, err
	}
	for name, c := range t.Catalogs {
		for _, host := range c.Hosts {
			if _, err := path.Match(host, ""); err != nil || host == "" {
				return nil, fmt.Errorf("catalogs.%s.hosts: %q is no host", name, host)
			}
		}
		for model, r := range c.Models {
			if err := r.check(); err != nil {
				return nil, fmt.Errorf("catalogs.%s.models.%s: %w", name, model, err)
			}
		}
	}
	return t, nil
}

func (r Rates) check() error {
	all := []*float64{r.Input, r.Output, r.CachedRead, r.CachedWrite}
	if r.Over != nil {
		all = append(all, r.Over.Input, r.Over.Output, r.Over.CachedRead, r.Over.CachedWrite)
		if r.Over.Tokens <= 0 {
			return fmt.Errorf("over has no tokens")
		}
	}
	for _, price := range all {
		if price != nil && !(*price >= 0 && *price < 1e6) {
			return fmt.Errorf("a price of %g", *price)
		}
	}
	return nil
}

// Of finds the prices of a model at a host (without a port). ok is false when the table does not have it.
func (t *Table) Of(host string, models ...string) (r Rates, ok bool) {
	if t == nil {
		return Rates{}, false
	}
	host = strings.ToLower(host)
	for _, c := range t.Catalogs {
		for _, pattern := range c.Hosts {
			if match, err := path.Match(pattern, host); err != nil || !match {
				continue
			}
			for _, model := range models {
				if r, ok = c.Models[model]; ok {
					return r, true
				}
			}
		}
	}
	return Rates{}, false
}

// Tokens is what an answer used. Input has those that were read from and written to a cache in it, Output those of reasoning.
type Tokens struct{ Input, Output, CachedRead, CachedWrite int64 }

// Cost is what tokens cost in US dollars; ok is false when a price is missing of a kind that was used.
func (r Rates) Cost(u Tokens) (usd float64, ok bool) {
	if o := r.Over; o != nil && u.Input > o.Tokens {
		r.Input, r.Output = or(o.Input, r.Input), or(o.Output, r.Output)
		r.CachedRead, r.CachedWrite = or(o.CachedRead, r.CachedRead), or(o.CachedWrite, r.CachedWrite)
	}
	plain := u.Input - u.CachedRead - u.CachedWrite
	for _, part := range []struct {
		tokens int64
		price  *float64
	}{{plain, r.Input}, {u.Output, r.Output}, {u.CachedRead, r.CachedRead}, {u.CachedWrite, r.CachedWrite}} {
		switch {
		case part.tokens < 0:
			return 0, false // the provider's own count is not what it should be
		case part.tokens == 0:
		case part.price == nil:
			return 0, false
		default:
			usd += float64(part.tokens) * *part.price / 1e6
		}
	}
	return usd, true
}

func or(a, b *float64) *float64 {
	if a != nil {
		return a
	}
	return b
}
