package main

import (
	"net/http"
	"strings"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/mcpbroker/events"
)

// eventsPath is where issuers tell of their users.
const eventsPath = "/events/"

// withEvents serves what issuers tell in front of the broker; without an issuer that tells anything there is nothing at that path.
func withEvents(cfg *conf.Config, p parts, broker http.Handler) (http.Handler, error) {
	handler, err := events.New(events.Config{Sources: eventSources(cfg), Verifier: p.verifier, Revoker: p.revoked, Store: p.store, Keys: p.keys, Log: p.log})
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, eventsPath) {
			handler.ServeHTTP(w, r)
			return
		}
		broker.ServeHTTP(w, r)
	}), nil
}

// eventSources are the issuers that tell of their users.
func eventSources(cfg *conf.Config) []events.Source {
	var out []events.Source
	for _, i := range cfg.Identity.Issuers {
		e := i.Events
		if e == nil {
			continue
		}
		s := events.Source{Issuer: i.Name, URL: i.Issuer, Audiences: e.Audiences, Signals: e.Signals, Logout: e.Logout}
		if !e.Authorization.IsZero() {
			s.Authorization = e.Authorization.Reveal
		}
		if !e.SCIM.IsZero() {
			s.SCIM = e.SCIM.Reveal
		}
		out = append(out, s)
	}
	return out
}
