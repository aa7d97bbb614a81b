package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/yellowjack/yellowjack/internal/strictjson"
)

func benchRequest(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Begin."}]}`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,{"role":"model","parts":[{"functionCall":{"id":"yj_%d","name":"snowflake__query","args":{"sql":"select %d"}},"thoughtSignature":%q}]}`, i, i, strings.Repeat("c2ln", 40))
		fmt.Fprintf(&b, `,{"role":"user","parts":[{"functionResponse":{"id":"yj_%d","name":"snowflake__query","response":{"rows":[%q,%q]}}},{"text":"%s"}]}`,
			i, strings.Repeat("0123456789 ", 20), strings.Repeat("a\nb", 40), strings.Repeat(`A line with a \"quote\" in it.\n`, 12))
	}
	b.WriteString(`],"tools":[{"functionDeclarations":[{"name":"snowflake__query","description":"Runs SQL","parameters":{"type":"OBJECT","properties":{"sql":{"type":"STRING"}}}},{"name":"slack__post","parameters":{"type":"OBJECT"}}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}`)
	return b.Bytes()
}

// BenchmarkRequest is the view and an edit, with a bare walk over the tokens and encoding/json beside them.
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
			_, err := ParseRequest(thePath, doc, strictjson.Limits{})
			return err
		})
		run("edited", func() error {
			r, err := ParseRequest(thePath, doc, strictjson.Limits{})
			if err == nil {
				_, err = Apply(r, Edit{HideTools: map[string]bool{"slack__post": true}})
			}
			return err
		})
		run("jsontext", func() error {
			d := jsontext.NewDecoder(bytes.NewBuffer(doc))
			for {
				if _, err := d.ReadToken(); err != nil {
					if d.InputOffset() == int64(len(doc)) {
						return nil
					}
					return err
				}
			}
		})
		run("encoding-json", func() error {
			var v any
			return json.Unmarshal(doc, &v)
		})
	}
}
