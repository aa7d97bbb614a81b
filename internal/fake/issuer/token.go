package issuer

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
)

// token is the token endpoint (RFC 6749, section 3.2).
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	id, ok := i.client(w, r)
	if !ok {
		return
	}
	form := r.PostForm
	var out answer
	switch form.Get("grant_type") {
	case grantClient:
		out = i.access(id, map[string]any{"sub": id}, first(form.Get("audience"), form.Get("resource")), form.Get("scope"), nil)
	case grantCode, grantRefresh:
		out = i.granted(id, form)
	case grantExchange:
		out = i.exchange(id, form)
	case grantJWT:
		out = i.assertion(id, form)
	default:
		out = no("unsupported_grant_type")
	}
	switch {
	case out.code == "server_error":
		refused(w, http.StatusInternalServerError, out.code)
		return
	case out.code != "":
		refused(w, http.StatusBadRequest, out.code)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, out.body)
}

// client says which client asks, by Basic or in the form, where it shows that it is; otherwise it has been refused. One without a secret is public.
func (i *Issuer) client(w http.ResponseWriter, r *http.Request) (id string, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		refused(w, http.StatusBadRequest, "invalid_request")
		return "", false
	}
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749, section 2.3.1: both are encoded as in a form
		var err, err2 error
		id, err = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err != nil || err2 != nil {
			refused(w, http.StatusBadRequest, "invalid_request")
			return "", false
		}
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	want, known := i.cfg.Clients[id]
	if !known || subtle.ConstantTimeCompare([]byte(want), []byte(secret)) != 1 {
		w.Header().Set("WWW-Authenticate", "Basic")
		refused(w, http.StatusUnauthorized, "invalid_client")
		return "", false
	}
	return id, true
}

func refused(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]any{"error": code})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone misses nothing
}
