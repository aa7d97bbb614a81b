package identity

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// lookup finds a claim. A key that is the whole path wins; else the longest key that begins it, up to one of its dots,
// is entered: "https://x.com/app.roles" finds both {"https://x.com/app.roles": …} and {"https://x.com/app": {"roles": …}}.
// A claim that is null is not there.
func lookup(claims map[string]any, path string) (any, bool) {
	if path == "" {
		return nil, false
	}
	if v, ok := claims[path]; ok {
		return v, v != nil
	}
	for i := len(path) - 1; i > 0; i-- {
		if path[i] != '.' {
			continue
		}
		if inner, ok := claims[path[:i]].(map[string]any); ok {
			if v, ok := lookup(inner, path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// errClaim is a claim that is there and is not what it must be. It is refused, not passed over: a rule that forbids
// something to a group must see the group.
type errClaim struct{ path, want string }

func (e errClaim) Error() string { return fmt.Sprintf("claim %s is not %s", e.path, e.want) }

// textClaim is a claim that is one text, or "".
func textClaim(claims map[string]any, path string) (string, error) {
	v, ok := lookup(claims, path)
	if !ok {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", errClaim{path, "a text"}
	}
	return s, nil
}

// listClaim is a claim that is a list of texts, or one text.
func listClaim(claims map[string]any, path string) ([]string, error) {
	v, ok := lookup(claims, path)
	if !ok {
		return nil, nil
	}
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, errClaim{path, "a list of texts"}
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, errClaim{path, "a text or a list of texts"}
}

// scopeClaim is a list of scopes, or one text with spaces between them (RFC 8693, section 4.2).
func scopeClaim(claims map[string]any, path string) ([]string, error) {
	list, err := listClaim(claims, path)
	if err != nil || len(list) != 1 {
		return list, err
	}
	return strings.Fields(list[0]), nil
}

// timeClaim is a NumericDate. Whether it is there, and what it says.
func timeClaim(claims map[string]any, name string) (time.Time, bool, error) {
	v, ok := claims[name]
	if !ok {
		return time.Time{}, false, nil
	}
	f, ok := v.(float64)
	if !ok || math.IsNaN(f) || f < 0 || f > 253402300799 { // the last second of the year 9999
		return time.Time{}, true, errClaim{name, "a time in seconds"}
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true, nil
}

var (
	errExpired  = errors.New("the token has expired")
	errAudience = errors.New("the token is for another audience")
	errTenant   = errors.New("the token's tenant is not one that its issuer may assert")
	errNoExp    = errors.New("the token never expires")
	errNotYet   = errors.New("the token is not valid yet")
)

// checkTimes checks exp (without which a token would live for ever), nbf and iat, with skew, and returns exp.
func checkTimes(claims map[string]any, now time.Time, skew time.Duration) (time.Time, error) {
	exp, ok, err := timeClaim(claims, "exp")
	switch {
	case err != nil:
		return exp, err
	case !ok:
		return exp, errNoExp
	case !now.Before(exp.Add(skew)):
		return exp, errExpired
	}
	for _, name := range []string{"nbf", "iat"} {
		t, ok, err := timeClaim(claims, name)
		if err != nil {
			return exp, err
		}
		if ok && now.Add(skew).Before(t) {
			return exp, errNotYet
		}
	}
	return exp, nil
}

// checkAudience wants one of ours among the token's.
func checkAudience(claims map[string]any, ours []string) error {
	theirs, err := listClaim(claims, "aud")
	if err != nil {
		return err
	}
	for _, a := range theirs {
		if slices.Contains(ours, a) {
			return nil
		}
	}
	return errAudience
}
