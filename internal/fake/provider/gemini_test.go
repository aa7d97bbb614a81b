package provider

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/yellowjack/yellowjack/internal/hold"
	gate "github.com/yellowjack/yellowjack/internal/hold/gemini"
	"github.com/yellowjack/yellowjack/internal/llm"
	"github.com/yellowjack/yellowjack/internal/llm/gemini"
	"github.com/yellowjack/yellowjack/internal/strictjson"
)

// generate posts a request with one text of the user's, or the body given as JSON.
func generate(t *testing.T, s *Server, c *http.Client, path, text string) (*http.Response, string) {
	t.Helper()
	body := fmt.Sprintf(`{"contents":[{"parts":[{"text":%q}]}]}`, text)
	if strings.HasPrefix(text, "{") {
		body = text
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(out)
}

const (
	wholePath  = "/v1beta/models/small:generateContent"
	streamPath = "/v1beta/models/small:streamGenerateContent?alt=sse"
	aScript    = "say Hello there.\nthink Hm.\ncall a__b {\"x\": 1}\ncall c"
)

// TestGemini holds that what the fake says is read as Gemini's, whole and streamed, and says the same.
func TestGemini(t *testing.T) {
	s, c := start(t)
	_, body := generate(t, s, c, wholePath, aScript)
	a, err := gemini.ParseResponse([]byte(body), strictjson.Limits{})
	if err != nil {
		t.Fatal(err, body)
	}
	var whole []llm.Turn
	if _, whole, err = a.Rewrite([]llm.Verdict{{Allow: true}, {Allow: true}}, nil); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"", "\nsequential", "\nchunks 7", "\ncomments"} {
		_, body = generate(t, s, c, streamPath, aScript+script)
		var streamed []llm.Turn
		g := gate.New(hold.Config{
			Decide: func(calls []llm.ToolCall) ([]llm.Verdict, error) {
				out := make([]llm.Verdict, len(calls))
				for i := range out {
					out[i].Allow = true
				}
				return out, nil
			},
			Finish: func(turn llm.Turn) error {
				streamed = append(streamed, turn)
				return nil
			},
		})
		out, err := g.Write(nil, []byte(body))
		if err == nil {
			out, err = g.Close(out)
		}
		if err != nil || strings.ReplaceAll(string(out), ": keep-alive\r\n\r\n", "") != strings.ReplaceAll(body, ": keep-alive\r\n\r\n", "") {
			t.Fatalf("%v: %s\nnot %s", err, out, body)
		}
		if got, want := fmt.Sprintf("%+v", streamed), fmt.Sprintf("%+v", whole); got != want {
			t.Errorf("streamed %s, whole %s", got, want)
		}
		usage := g.Usage()
		usage.Input = a.Usage.Input // the script is longer
		if usage != a.Usage || g.Model() != "small" || !strings.Contains(body, "\r\n\r\n") {
			t.Errorf("%+v %+v", usage, a.Usage)
		}
	}
}

// TestGeminiFails holds how the fake says that something is wrong.
func TestGeminiFails(t *testing.T) {
	s, c := start(t)
	if res, body := generate(t, s, c, wholePath, "status 429 retry-after 7 Quota"); res.StatusCode != 429 || !strings.Contains(body, `"RESOURCE_EXHAUSTED"`) || res.Header.Get("Retry-After") != "7" {
		t.Error(res.Status, body)
	}
	_, body := generate(t, s, c, streamPath, "say a\nerror 503 overloaded")
	g := gate.New(hold.Config{})
	if _, err := g.Write(nil, []byte(body)); err != nil || !g.UpstreamError() {
		t.Error(err, body)
	}
	for _, script := range []string{"say a\ntruncate text", "say a\ncall b\ntruncate call", "say a\ncall b\ntruncate done"} {
		_, body = generate(t, s, c, streamPath, script)
		g := gate.New(hold.Config{})
		_, err := g.Write(nil, []byte(body))
		if _, ended := g.Close(nil); err != nil || !errors.Is(ended, hold.ErrTruncated) {
			t.Error(err, ended, body)
		}
	}
	turn := func(model, results string) string {
		return `{"contents":[{"parts":[{"text":"x"}]},{"role":"model","parts":[` + model + `]},{"role":"user","parts":[` + results + `]}]}`
	}
	call, signed, result := `{"functionCall":{"name":"a"}}`, `{"function_call":{"name":"a"},"thought_signature":"`+signature+`"}`, `{"functionResponse":{"name":"a","response":{"output":"say obeyed"}}}`
	for _, bad := range []struct{ path, body string }{
		{wholePath, `{}`},
		{wholePath, `{"contents":[{"parts":[{"text":"x"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}`},
		{wholePath, turn(call+","+call, result)},
		{"/v1/projects/p/locations/l/publishers/google/models/gemini-3-pro:generateContent", turn(call, result)},
	} {
		if res, body := generate(t, s, c, bad.path, bad.body); res.StatusCode != 400 || !strings.Contains(body, "INVALID_ARGUMENT") {
			t.Errorf("%s: %s %s", bad.body, res.Status, body)
		}
	}
	if res, body := generate(t, s, c, strings.Replace(wholePath, "small", "gemini-3-pro", 1), turn(signed, result)); res.StatusCode != 200 || !strings.Contains(body, "obeyed") {
		t.Error(res.Status, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/v1beta/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), `"models/small"`) {
		t.Error(string(body), err)
	}
}
