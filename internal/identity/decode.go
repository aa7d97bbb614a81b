package identity

import "github.com/yellowjack/yellowjack/internal/strictjson"

// maxClaimDepth bounds how deep a token's objects go; Keycloak's resource_access is three.
const maxClaimDepth = 16

// decodeObject decodes one JSON object to Go's plain types. Duplicate names, invalid UTF-8 and trailing data are errors:
// two readers of the same token must not see two different ones.
func decodeObject(doc []byte) (map[string]any, error) {
	return strictjson.Plain(doc, strictjson.Limits{MaxBytes: maxJWKS, MaxDepth: maxClaimDepth})
}
