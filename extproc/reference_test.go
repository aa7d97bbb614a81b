package extproc_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestReferenceCut: wherever a stream cuts a reference, in text and in a call's arguments, the client reads the same; and what is
// not a reference's is not held back.
func TestReferenceCut(t *testing.T) {
	w := newWorld(t)
	const length = len("$ref_aaaaaaaabbbbbbbb")
	archive, err := txtar.ParseFile("testdata/stream-reference.txtar")
	if err != nil {
		t.Fatal(err)
	}
	request := slices.Clone(archive.Files[:2])
	event := func(delta, finish string) txtar.File {
		return txtar.File{Name: "in response-body raw", Data: []byte(fmt.Sprintf(
			`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"small","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n`, delta, finish,
		))}
	}
	play := func(cut, again int) (text, args string, early bool) {
		pieces := fmt.Sprintf("${ref:0:0-%d}|${ref:0:%d-%d}|${ref:0:%d-}", cut, cut, again, again)
		files := append([]txtar.File{}, request...)
		files = append(files, txtar.File{Name: "in response-headers", Data: []byte(":status: 200\ncontent-type: text/event-stream\n")})
		files = append(files, event(`{"role":"assistant","content":"It says "}`, "null"))
		for _, piece := range strings.Split(pieces, "|") {
			files = append(files, event(`{"content":"`+piece+`"}`, "null"))
		}
		files = append(files, event(`{"content":" and more"}`, "null"))
		files = append(files, event(`{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"notes__write","arguments":"{\"text\":\""}}]}`, "null"))
		for _, piece := range strings.Split(pieces+`|\"}`, "|") {
			files = append(files, event(`{"tool_calls":[{"index":0,"function":{"arguments":"`+piece+`"}}]}`, "null"))
		}
		files = append(files, event(`{}`, `"tool_calls"`), txtar.File{Name: "in response-body raw end", Data: []byte(`data: [DONE]\n\n`)})
		stream := &script{ctx: t.Context(), in: messages(t, w, &txtar.Archive{Files: files}), said: &said{}}
		if err := w.service(t, &lastRecord{}, nil).Process(stream); err != nil {
			t.Fatal(err)
		}
		for i, m := range stream.sent {
			body := m.GetResponseBody().GetResponse().GetBodyMutation().GetStreamedResponse().GetBody()
			for line := range strings.SplitSeq(string(body), "\n") {
				var chunk struct {
					Choices []struct {
						Delta struct {
							Content   string
							ToolCalls []struct{ Function struct{ Arguments string } } `json:"tool_calls"`
						}
					}
				}
				if data, ok := strings.CutPrefix(line, "data: {"); !ok || json.Unmarshal([]byte("{"+data), &chunk) != nil {
					continue
				}
				for _, c := range chunk.Choices {
					text += c.Delta.Content
					for _, call := range c.Delta.ToolCalls {
						args += call.Function.Arguments
					}
				}
			}
			early = early || i < 5 && text == "It says "
		}
		return text, args, early
	}
	wantText, wantArgs, _ := play(0, length)
	if !strings.Contains(wantText, "payroll") || !strings.HasSuffix(wantText, " and more") || !strings.Contains(wantArgs, "payroll") || strings.Contains(wantText+wantArgs, "$ref_") {
		t.Fatalf("uncut: %q %q", wantText, wantArgs)
	}
	for cut := range length + 1 {
		text, args, early := play(cut, min(cut+3, length))
		if text != wantText || args != wantArgs || !early {
			t.Errorf("cut at %d: early=%v\n%q\n%q", cut, early, text, args)
		}
	}
}
