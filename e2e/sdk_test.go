package e2e

import (
	"encoding/pem"
	"flag"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/yellowjack/yellowjack/internal/fake/provider"
)

// allSDKs runs each check of the dialects' SDKs with each form of a stream.
var allSDKs = flag.Bool("sdk.all", false, "run the checks of the dialects' SDKs with each form that a provider's stream may have")

// wires are those forms: line ends, comments, the sizes of pieces, their order and their pace. The first is the usual one.
var wires = []string{"", "crlf", "comments", "chunks 1", "chunks 3", "fragment 1", "sequential", "pace 1ms"}

// script runs one of the SDKs' scripts and reports each failed check.
func script(t *testing.T, g *gateway, needs, program string, args ...string) {
	t.Helper()
	if _, err := os.Stat(needs); err != nil {
		t.Fatalf("%v; run `make sdks`", err)
	}
	sdk, err := filepath.Abs("../.tools/js")
	if err != nil {
		t.Fatal(err)
	}
	secure, authority := overTLS(t, g)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "YJ_URL="+g.url, "YJ_TLS="+secure, "AWS_CA_BUNDLE="+authority, "YJ_SDK="+sdk, "YJ_SARA="+sara(t), "YJ_MONA="+mona(t),
		"YJ_EXPIRED="+token(t, object{"sub": "sara", "exp": time.Now().Add(-time.Hour).Unix()}),
		"NO_PROXY=127.0.0.1", "PYTHONDONTWRITEBYTECODE=1")
	if *allSDKs {
		cmd.Env = append(cmd.Env, "YJ_WIRES="+strings.Join(wires, "|"))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	if !strings.Contains(string(out), " checks ") {
		t.Errorf("it did not come to its end:\n%s", out)
	}
	t.Log("FIGURES " + lastLine(out))
	for _, r := range theStage.upstream.Received() {
		if strings.Contains(r.Body, "marked-injection") {
			t.Errorf("what an issue says came to the model: %s %s", r.Path, r.Body)
		}
	}
}

// overTLS is the gateway behind something that ends TLS, without which AWS' SDKs send no bearer token, and the file of its authority.
func overTLS(t *testing.T, g *gateway) (url, authority string) {
	t.Helper()
	to, err := neturl.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1})
	t.Cleanup(front.Close)
	authority = filepath.Join(t.TempDir(), "authority.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}
	if err := os.WriteFile(authority, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return front.URL, authority
}

// TestPython runs the Python SDK.
func TestPython(t *testing.T) {
	g := shared(t)
	python, err := filepath.Abs("../.tools/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	script(t, g, python, python, "py/sdk.py")
	// The SDK retries once; if the gateway retried as well there would be more.
	tries := 0
	for _, r := range theStage.upstream.Received() {
		if strings.Contains(r.Body, "marked-retry") {
			tries++
		}
	}
	if tries != 2 {
		t.Errorf("the provider saw %d tries", tries)
	}
}

// TestPythonDialects runs the Python SDKs of the other dialects.
func TestPythonDialects(t *testing.T) {
	g := shared(t)
	python, err := filepath.Abs("../.tools/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	script(t, g, python, python, "py/dialects.py")
}

// TestPythonTranslated runs the Python SDKs against providers that speak another dialect than theirs.
func TestPythonTranslated(t *testing.T) {
	g := shared(t)
	python, err := filepath.Abs("../.tools/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	script(t, g, python, python, "py/translated.py")
}

// TestJavaScript runs the JavaScript SDK.
func TestJavaScript(t *testing.T) {
	g := shared(t)
	script(t, g, "../.tools/js/node_modules/openai", node22(t), "js/sdk.mjs")
	await(t, func(r provider.Received) bool {
		return strings.Contains(r.Body, "marked-abort") && r.Outcome == provider.Gone
	})
}

// TestJavaScriptDialects runs the JavaScript SDKs of the other dialects, and OpenRouter's.
func TestJavaScriptDialects(t *testing.T) {
	g := shared(t)
	script(t, g, "../.tools/js/node_modules/@openrouter/sdk", node22(t), "js/dialects.mjs")
}

// TestAgents runs agents made with the Vercel AI SDK and with LangChain.
func TestAgents(t *testing.T) {
	g := shared(t)
	script(t, g, "../.tools/js/node_modules/langchain", node22(t), "js/agents.mjs")
}

// TestGo runs the Go SDK, whose accumulator is one more reader of our streams.
func TestGo(t *testing.T) {
	g := shared(t)
	client := openai.NewClient(option.WithBaseURL(g.url+"/v1"), option.WithAPIKey(sara(t)), option.WithMaxRetries(0))
	params := openai.ChatCompletionNewParams{
		Model: "mock/small",
		Messages: []openai.ChatCompletionMessageParamUnion{
			openai.UserMessage("say Hi.\ncall slack__post_message {\"text\":\"x\"}\ncall snowflake__query {\"sql\":\"y\"}\nfragment 2"),
		},
		Tools: []openai.ChatCompletionToolUnionParam{
			openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "slack__post_message"}),
			openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "snowflake__query"}),
		},
	}
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	var all openai.ChatCompletionAccumulator
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			t.Errorf("the accumulator refuses %s", stream.Current().RawJSON())
		}
	}
	if stream.Err() != nil {
		t.Fatal(stream.Err())
	}
	for how, c := range map[string]openai.ChatCompletionChoice{"whole": whole.Choices[0], "stream": all.Choices[0]} {
		calls := c.Message.ToolCalls
		if len(calls) != 1 || calls[0].Function.Name != "snowflake__query" || calls[0].Function.Arguments != `{"sql":"y"}` ||
			!strings.Contains(c.Message.Content, "slack__post_message") || c.FinishReason != "tool_calls" {
			t.Errorf("%s: got %+v", how, c)
		}
	}
}
