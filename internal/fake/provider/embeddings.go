package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
)

// The wire's types of OpenAI's embeddings.
type (
	embeddingList struct {
		Object string         `json:"object"`
		Data   []embedding    `json:"data"`
		Model  string         `json:"model"`
		Usage  embeddingUsage `json:"usage"`
	}
	embedding struct {
		Object string `json:"object"`
		Index  int    `json:"index"`
		Vector any    `json:"embedding"` // numbers, or their base64
	}
	embeddingUsage struct {
		Prompt int `json:"prompt_tokens"`
		Total  int `json:"total_tokens"`
	}
)

// embeddingRequest is one for embeddings: of a text or of several, or of the tokens of one or of several.
type embeddingRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Format     string          `json:"encoding_format"`
	Dimensions int             `json:"dimensions"`

	inputs []json.RawMessage
}

// maxDimensions are those that a model has, and as many as it makes unless it is asked for fewer.
const maxDimensions = 8

func readEmbeddings(body []byte) (*embeddingRequest, error) {
	r := &embeddingRequest{Dimensions: maxDimensions, Format: "float"}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("the body is no request for embeddings: %w", err)
	}
	if r.Model == "" {
		return nil, errors.New("you must provide a model parameter")
	}
	if json.Unmarshal(r.Input, &r.inputs) != nil || len(r.inputs) > 0 && r.inputs[0][0] >= '0' && r.inputs[0][0] <= '9' {
		r.inputs = []json.RawMessage{r.Input} // one text, or the tokens of one
	}
	switch {
	case len(r.inputs) == 0 || len(r.inputs[0]) == 0 || string(r.inputs[0]) == "null":
		return nil, errors.New("'$.input' is invalid")
	case r.Dimensions < 1 || r.Dimensions > maxDimensions:
		return nil, errors.New("invalid value for 'dimensions'")
	case r.Format != "float" && r.Format != "base64":
		return nil, errors.New("invalid value for 'encoding_format'")
	}
	return r, nil
}

// embed answers with a vector for each input: the same one for the same input. A directive can stand in the model's name.
func embed(w http.ResponseWriter, r *http.Request, body []byte) error {
	req, err := readEmbeddings(body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, responseFailure(http.StatusBadRequest, err.Error()))
		return nil
	}
	script := &script{}
	script.parseName(req.Model)
	if err := pause(r.Context(), script.slow); err != nil {
		return err
	}
	if handled, err := script.misbehave(w, r, responseFailure); handled {
		return err
	}
	list := embeddingList{Object: "list", Model: req.Model}
	for i, input := range req.inputs {
		list.Data = append(list.Data, embedding{Object: "embedding", Index: i, Vector: req.vector(input)})
		list.Usage.Prompt += len(input)/4 + 1
	}
	list.Usage.Total = list.Usage.Prompt
	return script.sendWhole(w, list)
}

// vector is an input's, of length 1, as it was asked for.
func (r *embeddingRequest) vector(input json.RawMessage) any {
	sum := sha256.Sum256(input)
	numbers := make([]float32, r.Dimensions)
	square := float64(0)
	for i := range numbers {
		numbers[i] = float32(sum[i]) + 1
		square += float64(numbers[i]) * float64(numbers[i])
	}
	packed := []byte{}
	for i := range numbers {
		numbers[i] /= float32(math.Sqrt(square))
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(numbers[i]))
	}
	if r.Format == "base64" {
		return base64.StdEncoding.EncodeToString(packed)
	}
	return numbers
}
