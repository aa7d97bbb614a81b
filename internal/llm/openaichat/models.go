package openaichat

// Model is one entry of the list of models.
type Model struct{ ID, OwnedBy string }

// ModelList is the answer to GET /v1/models. When a model was made is not known here, so created is 0.
func ModelList(models []Model) []byte {
	out := []byte(`{"object":"list","data":[`)
	for i, m := range models {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendQuoted(append(out, `{"id":`...), m.ID)
		out = append(out, `,"object":"model","created":0,"owned_by":`...)
		out = append(appendQuoted(out, m.OwnedBy), '}')
	}
	return append(out, "]}"...)
}
