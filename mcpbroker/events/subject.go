package events

import "github.com/yellowjack/yellowjack/internal/identity"

// maxAliases bounds the names of one subject.
const maxAliases = 16

// subjectOf reads a subject identifier (RFC 9493), and the complex subjects of the Shared Signals Framework, of which the user counts, and the
// session. An issuer speaks of its own users alone.
func subjectOf(source Source, v any) (identity.Subject, error) {
	out := identity.Subject{Issuer: source.Issuer}
	err := addSubject(source, &out, v, 0)
	if err == nil && out.Sub == "" && out.Email == "" && out.Session == "" {
		err = badSignal("invalid_request", "the token has no subject")
	}
	return out, err
}

func addSubject(source Source, to *identity.Subject, v any, depth int) error {
	m, ok := v.(map[string]any)
	if !ok || depth > 2 {
		return badSignal("invalid_request", "the token has no subject that can be read")
	}
	text := func(name string) string { s, _ := m[name].(string); return s }
	format := text("format")
	if format == "" { // of a draft
		format = map[string]string{"iss-sub": "iss_sub", "iss_sub": "iss_sub", "email": "email", "opaque": "opaque"}[text("subject_type")]
	}
	switch {
	case format == "iss_sub":
		if text("iss") != source.URL {
			return badSignal("invalid_request", "the subject is another issuer's")
		}
		return addText(&to.Sub, text("sub"), &to.Client)
	case format == "opaque": // what the issuer calls its user
		return addText(&to.Sub, text("id"), &to.Client)
	case format == "email":
		return addText(&to.Email, text("email"), nil)
	case format == "aliases":
		return addAliases(source, to, m["identifiers"], depth)
	case format == "complex" || format == "" && m["user"] != nil:
		if m["session"] != nil {
			session, _ := m["session"].(map[string]any)
			if id, ok := session["id"].(string); ok {
				to.Session = id
			}
		}
		if m["user"] == nil && to.Session != "" {
			return nil
		}
		return addSubject(source, to, m["user"], depth+1)
	}
	return badSignal("invalid_request", "the subject's format is none of iss_sub, email, opaque, aliases and complex")
}

// addText sets a name of the subject. An issuer does not say whether it is a user's or a client's, so it is both's.
func addText(to *string, text string, client *string) error {
	if text == "" || len(text) > 1024 {
		return badSignal("invalid_request", "the subject has no name, or too long a one")
	}
	*to = text
	if client != nil {
		*client = text
	}
	return nil
}

// addAliases takes the names that are understood; there has to be one. Of two of a kind the last would hide the first, so that is refused.
func addAliases(source Source, to *identity.Subject, v any, depth int) error {
	list, _ := v.([]any)
	if len(list) == 0 || len(list) > maxAliases {
		return badSignal("invalid_request", "the subject has no names, or too many")
	}
	known := 0
	for _, one := range list {
		var alias identity.Subject
		if addSubject(source, &alias, one, depth+1) != nil {
			continue
		}
		known++
		if alias.Sub != "" && to.Sub != "" && alias.Sub != to.Sub || alias.Email != "" && to.Email != "" && alias.Email != to.Email {
			return badSignal("invalid_request", "the subject has several names of a kind")
		}
		if alias.Sub != "" {
			to.Sub, to.Client = alias.Sub, alias.Client
		}
		if alias.Email != "" {
			to.Email = alias.Email
		}
		if alias.Session != "" {
			to.Session = alias.Session
		}
	}
	if known == 0 {
		return badSignal("invalid_request", "the subject has no name that can be read")
	}
	return nil
}
