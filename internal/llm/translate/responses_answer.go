package translate

import (
	"strconv"
)

// responsesID is the id of a response: that of the provider's answer, in the form that the API's clients look for.
func responsesID(id string) string { return "resp_" + id }

// itemID is the id of an item, by its place in the output.
func itemID(kind, id string, index int) string { return kind + "_" + id + "_" + strconv.Itoa(index) }

// responsesOf is a response before its output.
func responsesOf(id, model string, created int64) *responsesAnswer {
	null := raw("null")
	return &responsesAnswer{
		ID: responsesID(id), Object: "response", CreatedAt: created, Status: "in_progress", Error: null, Incomplete: null, Instructions: null,
		Metadata: raw("{}"), Model: model, Output: []responsesOutput{}, Parallel: true, Temperature: null, Choice: "auto", Tools: raw("[]"), TopP: null,
	}
}

// finish says how a response ended.
func (a *responsesAnswer) finish(s stop) {
	switch s {
	case cutOff:
		a.Status, a.Incomplete = "incomplete", raw(`{"reason":"max_output_tokens"}`)
	case refused:
		a.Status, a.Incomplete = "incomplete", raw(`{"reason":"content_filter"}`)
	default:
		a.Status = "completed"
	}
}

// encodeResponsesAnswer writes a response: each block is an item of its own.
func encodeResponsesAnswer(a *answer) ([]byte, error) {
	out := responsesOf(a.id, a.model, a.created)
	for i := range a.blocks {
		item, err := outputOf(&a.blocks[i], a.id, i)
		if err != nil {
			return nil, err
		}
		out.Output = append(out.Output, item)
	}
	out.finish(a.stop)
	out.Usage = responsesUsageOf(a.usage)
	return write(out)
}

// outputOf is a block as an item, complete.
func outputOf(b *block, id string, index int) (responsesOutput, error) {
	switch b.kind {
	case textBlock:
		return responsesOutput{
			ID: itemID("msg", id, index), Type: "message", Status: "completed", Role: "assistant",
			Content: []responsesPart{{Type: "output_text", Text: some(b.text), Annotations: raw("[]")}},
		}, nil
	case refusalBlock:
		return responsesOutput{
			ID: itemID("msg", id, index), Type: "message", Status: "completed", Role: "assistant",
			Content: []responsesPart{{Type: "refusal", Refusal: some(b.text)}},
		}, nil
	case thoughtBlock:
		item := responsesOutput{ID: itemID("rs", id, index), Type: "reasoning", Summary: []responsesPart{}, Encrypted: b.sign.packed()}
		if b.text != "" {
			item.Summary = append(item.Summary, responsesPart{Type: "summary_text", Text: some(b.text)})
		}
		return item, nil
	case callBlock:
		return responsesOutput{
			ID: itemID("fc", id, index), Type: "function_call", Status: "completed", CallID: b.id, Name: b.tool, Arguments: some(string(b.args)),
		}, nil
	}
	return responsesOutput{}, unreadable("has a block that is no text")
}
