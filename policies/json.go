package policies

import (
	"bytes"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// errNumber is a number that arithmetic in a policy could spend a minute and a
// gigabyte on, for a dozen bytes of arguments.
var errNumber = errors.New("a number's exponent has more than three digits")

// parseJSON reads one document as a Rego value: once, strictly, with numbers
// kept as they are written.
func parseJSON(doc []byte) (*ast.Term, error) {
	r := strictjson.NewReader(doc, strictjson.DefaultLimits())
	defer r.Close()
	t, err := readTerm(r, doc)
	if err != nil {
		return nil, err
	}
	return t, r.End()
}

func readTerm(r *strictjson.Reader, doc []byte) (*ast.Term, error) {
	switch r.Kind() {
	case strictjson.Object:
		var pairs []pair
		err := r.Object(nil, func(m strictjson.Member) error {
			v, err := readTerm(r, doc)
			pairs = append(pairs, pair{str(m.Name), v})
			return err
		})
		if err != nil {
			return nil, err
		}
		return object(pairs...), nil
	case strictjson.Array:
		var terms []*ast.Term
		err := r.Array(func(int) error {
			v, err := readTerm(r, doc)
			terms = append(terms, v)
			return err
		})
		if err != nil {
			return nil, err
		}
		return ast.ArrayTerm(terms...), nil
	case strictjson.String:
		s, _, err := r.String()
		return str(s), err
	case strictjson.Number:
		span, err := r.Skip()
		text := span.Of(doc)
		if e := bytes.IndexAny(text, "eE"); err == nil && e >= 0 && len(bytes.TrimLeft(text[e+1:], "+-0")) > 3 {
			err = errNumber
		}
		return ast.NewTerm(ast.Number(text)), err
	case strictjson.True, strictjson.False:
		b, err := r.Bool()
		return boolean(b), err
	case strictjson.Null:
		_, err := r.Null()
		return ast.NullTerm(), err
	default:
		if _, err := r.Skip(); err != nil {
			return nil, err
		}
		return nil, errors.New("not a JSON value")
	}
}

// decodeJSON reads a data file; where it is broken it tells the offset.
func decodeJSON(doc []byte, into *map[string]any) (offset int, err error) {
	t, err := parseJSON(doc)
	if err != nil {
		var at *strictjson.Error
		if errors.As(err, &at) {
			offset = at.Offset
		}
		return offset, err
	}
	v, err := ast.JSON(t.Value)
	if err != nil {
		return 0, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return 0, errors.New("must be an object")
	}
	*into = m
	return 0, nil
}
