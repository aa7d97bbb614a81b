package policies

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	"github.com/open-policy-agent/opa/v1/ast"
	validate "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/yellowjack/yellowjack/internal/label"
)

var update = flag.Bool("update", false, "rewrite schemas and formatting")

// named is what the engine adds to an input: the tools asked about, once each.
type named struct {
	Names []string `json:"names" jsonschema_description:"Every tool asked about, once, by the name the client uses (a server tool by its type)."`
}

type requestDoc struct {
	RequestInput
	named
}

type toolcallDoc struct {
	ToolcallInput
	named
}

type visibleDoc struct {
	Principal Principal   `json:"principal"`
	Context   label.Label `json:"context" jsonschema_description:"Label of what the model reads."`
	named
}

type modelsDoc struct {
	Principal Principal `json:"principal"`
	Models    []Model   `json:"models"`
}

func schemaOf(doc any) ([]byte, error) {
	r := jsonschema.Reflector{
		DoNotReference: true, ExpandedStruct: true, Anonymous: true,
		KeyNamer: strings.ToLower, // label.Label names no keys
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[[]byte]():
				return &jsonschema.Schema{} // a call's arguments: any JSON value
			case reflect.TypeFor[label.Integrity]():
				return &jsonschema.Schema{Type: "string", Enum: []any{"untrusted", "constrained", "trusted"}}
			case reflect.TypeFor[label.Confidentiality]():
				return &jsonschema.Schema{Type: "string", Enum: []any{"secret", "internal", "public"}}
			}
			return nil
		},
	}
	s := r.Reflect(doc)
	s.Version = ""
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

func TestSchemasAreCurrent(t *testing.T) {
	for name, doc := range map[string]any{
		"request": &requestDoc{}, "toolcall": &toolcallDoc{}, "visible": &visibleDoc{}, "models": &modelsDoc{},
	} {
		want, err := schemaOf(doc)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("schemas", name+".json")
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what input.go says; run go test ./policies -update", file)
		}
	}
}

// The projections are written by hand for speed; each must give every member
// of its struct and no other.
func TestProjectionsMatchTheSchemas(t *testing.T) {
	p := principal(0)
	request := requestInput(2)
	request.Features = []Feature{{Name: "plugins:web", Value: "x"}}
	request.Results = []Result{{Tool: "a", ID: "1", Attributed: true, Bytes: 12}}
	toolcall := toolcallInput(2)
	toolcall.Results = request.Results
	toolcall.Calls[0].Args = []Arg{{Path: "query", Person: true}}
	calls, err := toolcall.value(toolcall.names())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]ast.Value{
		"request":  request.value(request.parts(), &tables{}),
		"toolcall": calls,
		"visible":  visibleValue(&p, label.Clean(), []string{"a"}),
		"models":   modelsValue(&p, []Model{{Named: "m"}}),
	} {
		c := validate.NewCompiler()
		schema, err := c.Compile(filepath.Join("schemas", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := ast.JSON(value)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v\n%v", name, err, value)
		}
		if !sameMembers(t, name, doc) {
			t.Errorf("%s: the projection lacks members: %v", name, value)
		}
	}
}

// sameMembers compares top-level members with those that the schema requires:
// santhosh's "required" covers it, this guards the schema itself.
func sameMembers(t *testing.T, name string, doc any) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("schemas", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties           map[string]any
		Required             []string
		AdditionalProperties any
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema.AdditionalProperties == false && len(schema.Required) == len(schema.Properties) &&
		len(schema.Properties) == len(doc.(map[string]any))
}
