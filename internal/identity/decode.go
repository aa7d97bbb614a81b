package identity

import (
	"errors"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// maxClaimDepth bounds how deep a token's objects go; Keycloak's resource_access is three.
const maxClaimDepth = 16

var errNotObject = errors.New("not a JSON object")

// decodeObject decodes one JSON object to Go's plain types. Duplicate names, invalid UTF-8 and trailing data are errors:
// two readers of the same token must not see two different ones.
func decodeObject(doc []byte) (map[string]any, error) {
	r := strictjson.NewReader(doc, strictjson.Limits{MaxBytes: maxJWKS, MaxDepth: maxClaimDepth})
	defer r.Close()
	if r.Kind() != strictjson.Object {
		return nil, errNotObject
	}
	v, err := decodeValue(r)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	return m, r.End()
}

func decodeValue(r *strictjson.Reader) (any, error) {
	switch r.Kind() {
	case strictjson.Object:
		m := map[string]any{}
		err := r.Object(nil, func(member strictjson.Member) error {
			v, err := decodeValue(r)
			m[member.Name] = v
			return err
		})
		return m, err
	case strictjson.Array:
		list := []any{}
		err := r.Array(func(int) error {
			v, err := decodeValue(r)
			list = append(list, v)
			return err
		})
		return list, err
	case strictjson.String:
		s, _, err := r.String()
		return s, err
	case strictjson.Number:
		return r.Float()
	case strictjson.True, strictjson.False:
		return r.Bool()
	default: // null, or what is no value: Skip says which
		_, err := r.Skip()
		return nil, err
	}
}
