package policies

import (
	"encoding/json"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"golang.org/x/net/http/httpguts"
)

// What a decision may say beside its words. Both go into messages of bounded size.
const (
	maxHeaders  = 32
	maxMetadata = 32
	maxText     = 4096 // of one value
)

// notPolicys are headers that a policy has no business setting: they frame a
// message, say who pays, or keep state in a client. Envoy's own and ours, by
// their prefixes, are further ones.
var notPolicys = map[string]bool{
	"host": true, "content-length": true, "transfer-encoding": true, "connection": true, "keep-alive": true,
	"proxy-connection": true, "te": true, "trailer": true, "upgrade": true, "expect": true,
	"content-type": true, "content-encoding": true, "accept-encoding": true,
	"authorization": true, "proxy-authorization": true, "proxy-authenticate": true, "api-key": true, "x-api-key": true,
	"x-goog-api-key": true, "cookie": true, "set-cookie": true, "x-forwarded-proto": true, "x-forwarded-for": true,
}

// readHeaders reads an object of headers, with their names in lower case.
func readHeaders(r reader) (map[string]string, error) {
	out := map[string]string{}
	err := r.members(func(name string, v reader) error {
		var value string
		if err := v.str(&value); err != nil {
			return err
		}
		low := strings.ToLower(name)
		_, twice := out[low]
		switch {
		case !httpguts.ValidHeaderFieldName(name), !httpguts.ValidHeaderFieldValue(value):
			return r.fail("holds one that is not valid")
		case notPolicys[low], strings.HasPrefix(low, "x-envoy-"), strings.HasPrefix(low, "x-yellowjack-"):
			return r.fail("holds %s, which is not a policy's to set", low)
		case twice:
			return r.fail("holds %s twice", low)
		case len(out) == maxHeaders || len(value) > maxText:
			return r.fail("holds too much")
		}
		out[low] = value
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// readMetadata reads an object of anything. Envoy is given texts: what is none
// there is its JSON.
func readMetadata(r reader) (map[string]string, error) {
	out := map[string]string{}
	err := r.members(func(name string, v reader) error {
		var value string
		if s, ok := v.term.Value.(ast.String); ok {
			value = string(s)
		} else {
			plain, err := ast.JSON(v.term.Value)
			if err != nil {
				return v.fail("cannot be read")
			}
			doc, err := json.Marshal(plain)
			if err != nil {
				return v.fail("is no JSON value")
			}
			value = string(doc)
		}
		if name == "" || len(name) > maxText || len(value) > maxText || len(out) == maxMetadata {
			return r.fail("holds too much")
		}
		out[name] = value
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
