package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
)

// reader is the quarantined model of the demo, behind an API like any provider's: it reads the issue and answers the typed questions
// about it, honestly. It could as well lie: what it may say is one of the answers that the question allows.
func reader() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Messages []struct{ Role, Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Messages) != 3 {
			http.Error(w, "three messages are expected", http.StatusBadRequest)
			return
		}
		var task struct {
			Questions []struct{ Name, Type, Ask string }
		}
		if err := json.Unmarshal([]byte(in.Messages[1].Content), &task); err != nil {
			http.Error(w, "the questions are no JSON", http.StatusBadRequest)
			return
		}
		data := strings.ToLower(in.Messages[2].Content)
		answers := map[string]any{}
		for _, q := range task.Questions {
			answers[q.Name] = nil
			if q.Type == "yesno" && strings.Contains(q.Ask, "bug report") {
				answers[q.Name] = strings.Contains(data, "broken") || strings.Contains(data, "crash")
			}
		}
		text, _ := json.Marshal(answers) // texts, numbers and truth values
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"id": "r", "object": "chat.completion", "created": 1, "model": "small",
			"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": string(text)}}},
		})
	}))
}
