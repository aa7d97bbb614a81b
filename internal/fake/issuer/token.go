package issuer

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
)

// token is the token endpoint: client credentials only (RFC 6749, section 4.4), by Basic or in the form.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		refused(w, http.StatusBadRequest, "invalid_request")
		return
	}
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	want, known := i.cfg.Clients[id]
	if !known || subtle.ConstantTimeCompare([]byte(want), []byte(secret)) != 1 {
		w.Header().Set("WWW-Authenticate", "Basic")
		refused(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		refused(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	claims := map[string]any{"sub": id, "client_id": id} // RFC 9068, section 2.2
	if scope := r.PostForm.Get("scope"); scope != "" {
		claims["scope"] = scope
	}
	if aud := r.PostForm.Get("audience"); aud != "" {
		claims["aud"] = aud
	}
	token, err := i.MintWith(map[string]any{"typ": "at+jwt"}, claims)
	if err != nil {
		refused(w, http.StatusInternalServerError, "server_error")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int(i.cfg.Lifetime.Seconds()),
	})
}

func refused(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]any{"error": code})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone misses nothing
}
