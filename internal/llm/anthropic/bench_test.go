package anthropic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/yellowjack/yellowjack/internal/llm"
)

func benchRequest(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"claude-opus-4-1","max_tokens":1024,"stream":true,"system":"Be brief.","messages":[{"role":"user","content":"Go on."}`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,{"role":"user","content":[{"type":"text","text":"%s"}]}`, strings.Repeat(`A line with a \"quote\" in it.\n`, 12))
		fmt.Fprintf(&b, `,{"role":"assistant","content":[{"type":"tool_use","id":"toolu_%d","name":"snowflake__query","input":{"sql":"select %d"}}]}`, i, i)
		fmt.Fprintf(&b, `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_%d","content":"%s"}]}`, i, strings.Repeat("0123456789 ", 40))
	}
	b.WriteString(`],"tools":[{"name":"snowflake__query","description":"Runs SQL","input_schema":{"type":"object","properties":{"sql":{"type":"string"}}}},{"name":"slack__post","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto"}}`)
	return b.Bytes()
}

// BenchmarkRequest builds the view and edits, beside encoding/json into any and a bare walk over the tokens.
func BenchmarkRequest(b *testing.B) {
	for _, size := range []int{1200, 64 << 10} {
		doc := benchRequest(size)
		run := func(name string, f func() error) {
			b.Run(fmt.Sprint(name, "/", size), func(b *testing.B) {
				b.SetBytes(int64(len(doc)))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("view", func() error {
			_, err := parse(doc)
			return err
		})
		run("edit", func() error {
			r, err := parse(doc)
			if err == nil {
				_, err = Apply(r, llm.Edit{Model: "other", HideTools: map[string]bool{"slack__post": true}})
			}
			return err
		})
		run("any", func() error {
			var v any
			return json.Unmarshal(doc, &v)
		})
		run("tokens", func() error {
			d := jsontext.NewDecoder(bytes.NewReader(doc))
			for d.PeekKind() != 0 {
				if _, err := d.ReadToken(); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
