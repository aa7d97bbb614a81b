package provider

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/yellowjack/yellowjack/internal/llm/embeddings"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// TestEmbeddings: what the provider says is what the dialect reads and what the official library reads, in both forms.
func TestEmbeddings(t *testing.T) {
	s, c := start(t)
	for _, form := range []string{"", `,"encoding_format":"base64"`} {
		_, body := post(t, s, c, "/v1/embeddings", `{"model":"e","input":["one","two"]`+form+`}`)
		if a, err := embeddings.ParseResponse([]byte(body), strictjson.Limits{}); err != nil || a.Model != "e" || a.Usage.Input == 0 {
			t.Errorf("%v %+v %s", err, a, body)
		}
	}
	client := openai.NewClient(option.WithBaseURL(s.URL()+"/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0), option.WithHTTPClient(c))
	got := func(p openai.EmbeddingNewParams) []openai.Embedding {
		p.Model = "e"
		a, err := client.Embeddings.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return a.Data
	}
	two := got(openai.EmbeddingNewParams{Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}}})
	one := got(openai.EmbeddingNewParams{Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("two")}})
	if len(two) != 2 || len(one) != 1 || len(one[0].Embedding) != maxDimensions || !slices.Equal(two[1].Embedding, one[0].Embedding) || slices.Equal(two[0].Embedding, two[1].Embedding) {
		t.Errorf("%v %v", two, one)
	}
	square := float64(0)
	for _, n := range one[0].Embedding {
		square += n * n
	}
	if math.Abs(square-1) > 1e-5 {
		t.Errorf("its length is not 1: %v", one)
	}
	tokens := got(openai.EmbeddingNewParams{Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfTokens: []int64{7, 8}}, Dimensions: openai.Int(3)})
	many := got(openai.EmbeddingNewParams{Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfTokenArrays: [][]int64{{7, 8}, {9}}}, Dimensions: openai.Int(3)})
	if len(tokens) != 1 || len(tokens[0].Embedding) != 3 || len(many) != 2 || !slices.Equal(many[0].Embedding, tokens[0].Embedding) {
		t.Errorf("%v %v", tokens, many)
	}
}

func TestEmbeddingsTrouble(t *testing.T) {
	s, c := start(t)
	for body, want := range map[string]int{
		`{"input":"x"}`: http.StatusBadRequest, `{"model":"e"}`: http.StatusBadRequest, `{"model":"e","input":[]}`: http.StatusBadRequest,
		`{"model":"e","input":null}`: http.StatusBadRequest, `{"model":"e","input":"x","dimensions":9}`: http.StatusBadRequest,
		`{"model":"e","input":"x","encoding_format":"text"}`: http.StatusBadRequest, `[]`: http.StatusBadRequest,
		`{"model":"status-429","input":"x"}`: http.StatusTooManyRequests,
	} {
		res, got := post(t, s, c, "/v1/embeddings", body)
		if res.StatusCode != want || !json.Valid([]byte(got)) {
			t.Errorf("%s: %d %s", body, res.StatusCode, got)
		}
	}
}
