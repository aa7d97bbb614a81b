package bedrock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// conversation is a request of about 64 KB: tools, and turns with calls and results.
func conversation() []byte {
	var b strings.Builder
	b.WriteString(`{"system":[{"text":"Be brief."}],"inferenceConfig":{"maxTokens":1000},"toolConfig":{"tools":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"toolSpec":{"name":"server__tool_%d","description":"Does what tool %d does, and nothing else.","inputSchema":{"json":{"type":"object","properties":{"query":{"type":"string","description":"what to look for"},"limit":{"type":"integer"}},"required":["query"]}}}}`, i, i)
	}
	b.WriteString(`]},"messages":[{"role":"user","content":[{"text":"What do the issues say?"}]}`)
	for i := 0; b.Len() < 64<<10; i++ {
		fmt.Fprintf(&b, `,{"role":"assistant","content":[{"text":"I look at number %d."},{"toolUse":{"toolUseId":"tooluse_%d","name":"server__tool_1","input":{"query":"number %d","limit":3}}}]}`, i, i, i)
		fmt.Fprintf(&b, `,{"role":"user","content":[{"toolResult":{"toolUseId":"tooluse_%d","content":[{"text":"%s"}],"status":"success"}}]}`, i, strings.Repeat(`A line of an issue, with \"quotes\" in it.\n`, 20))
	}
	b.WriteString("]}")
	return []byte(b.String())
}

// BenchmarkView is the view of a request of 64 KB, beside what others make of the same bytes.
func BenchmarkView(b *testing.B) {
	doc := conversation()
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
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
		_, err := ParseRequest(Path{Model: "m"}, doc, strictjson.Limits{})
		return err
	})
	run("any", func() error {
		var v any
		return json.Unmarshal(doc, &v)
	})
	run("walk", func() error {
		d := jsontext.NewDecoder(bytes.NewReader(doc))
		for {
			if _, err := d.ReadToken(); err != nil {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
		}
	})
	run("edit", func() error {
		r, err := ParseRequest(Path{Model: "m"}, doc, strictjson.Limits{})
		if err == nil {
			_, err = Apply(r, llm.Edit{Results: map[int][]byte{0: []byte("gone")}})
		}
		return err
	})
}
