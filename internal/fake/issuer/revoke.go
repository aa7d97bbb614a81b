package issuer

import "net/http"

// revoke ends what the issuer gave to the client that asks (RFC 7009): with a refresh token all of its grant, and an access token alone. What it
// does not know is no error (section 2.2), but what it gave to another client is (section 2.1).
func (i *Issuer) revoke(w http.ResponseWriter, r *http.Request) {
	id, ok := i.client(w, r)
	if !ok {
		return
	}
	token := r.PostForm.Get("token")
	_, claims, opened := i.Open(token)
	i.mu.Lock()
	defer i.mu.Unlock()
	g := i.refreshes[token]
	switch {
	case token == "":
		refused(w, http.StatusBadRequest, "invalid_request")
		return
	case g != nil && g.client != id, g == nil && opened == nil && claims["client_id"] != id:
		refused(w, http.StatusBadRequest, "invalid_grant")
		return
	case g != nil:
		g.ended = true
		for _, one := range g.access {
			i.end(one)
		}
	case opened == nil:
		i.end(token)
	}
	w.WriteHeader(http.StatusOK)
}

// end ends one access token; i.mu is held.
func (i *Issuer) end(token string) {
	if i.gone == nil {
		i.gone = map[string]bool{}
	}
	i.gone[token] = true
}
