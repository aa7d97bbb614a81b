package anthropic

import "github.com/yellowjack/yellowjack/internal/llm"

// Model is one entry of the list of models.
type Model struct{ ID, Name string }

// ModelList is the answer to GET /v1/models, all of it in one page. When a model was made is not known here, which the
// API says as the beginning of time.
func ModelList(models []Model) []byte {
	out := []byte(`{"data":[`)
	for i, m := range models {
		if i > 0 {
			out = append(out, ',')
		}
		name := m.Name
		if name == "" {
			name = m.ID
		}
		out = llm.AppendQuoted(append(out, `{"type":"model","id":`...), m.ID)
		out = llm.AppendQuoted(append(out, `,"display_name":`...), name)
		out = append(out, `,"created_at":"1970-01-01T00:00:00Z"}`...)
	}
	out = append(out, `],"has_more":false,"first_id":`...)
	if len(models) == 0 {
		return append(out, `null,"last_id":null}`...)
	}
	out = llm.AppendQuoted(out, models[0].ID)
	return append(llm.AppendQuoted(append(out, `,"last_id":`...), models[len(models)-1].ID), '}')
}
