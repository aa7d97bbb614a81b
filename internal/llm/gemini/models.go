package gemini

import "github.com/yellowjack/yellowjack/internal/llm"

// Model is one entry of the list of models.
type Model struct{ ID, OwnedBy string }

// ModelList is the answer to GET /v1beta/models.
func ModelList(models []Model) []byte {
	out := []byte(`{"models":[`)
	for i, m := range models {
		if i > 0 {
			out = append(out, ',')
		}
		out = AppendModel(out, m)
	}
	return append(out, "]}"...)
}

// AppendModel appends one entry, which by itself is the answer to GET /v1beta/models/{model}. What a model can hold is not
// known here, and not said.
func AppendModel(dst []byte, m Model) []byte {
	dst = llm.AppendQuoted(append(dst, `{"name":`...), "models/"+m.ID)
	dst = llm.AppendQuoted(append(dst, `,"baseModelId":`...), m.ID)
	dst = llm.AppendQuoted(append(dst, `,"version":"","displayName":`...), m.ID)
	dst = llm.AppendQuoted(append(dst, `,"description":`...), m.OwnedBy)
	return append(dst, `,"supportedGenerationMethods":["`+Generate+`","`+Stream+`"]}`...)
}
