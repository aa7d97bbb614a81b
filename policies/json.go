package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

func parseArguments(doc []byte) (*ast.Term, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("trailing data")
	}
	a, err := ast.InterfaceToValue(v)
	return ast.NewTerm(a), err
}

func decodeJSON(doc []byte, into *map[string]any) (offset int, err error) {
	err = util.UnmarshalJSON(doc, into)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = int(syntax.Offset)
	}
	return offset, err
}
