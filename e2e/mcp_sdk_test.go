package e2e

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/yellowjack/yellowjack/internal/fake/mcpserver"
)

// everythingTools are those of the real server-everything.
var everythingTools = []string{
	"echo", "get-annotated-message", "get-env", "get-resource-links", "get-resource-reference", "get-roots-list", "get-structured-content",
	"get-sum", "get-tiny-image", "gzip-file-as-resource", "simulate-research-query", "toggle-simulated-logging", "toggle-subscriber-updates",
	"trigger-elicitation-request", "trigger-elicitation-request-async", "trigger-long-running-operation", "trigger-sampling-request",
	"trigger-sampling-request-async", "trigger-url-elicitation",
}

// everything starts the real server-everything over Streamable HTTP.
func everything(t *testing.T) string {
	t.Helper()
	index := "../.tools/mcpservers/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
	if _, err := os.Stat(index); err != nil {
		t.Fatalf("%v; run `make sdks`", err)
	}
	address, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", index, "streamableHttp")
	cmd.Env = append(os.Environ(), "PORT="+address[strings.LastIndex(address, ":")+1:])
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "listening on port") {
			go func() {
				for lines.Scan() { // it must not block
				}
			}()
			return "http://" + address + "/mcp"
		}
	}
	t.Fatal("server-everything does not start")
	return ""
}

// kit is a gateway in front of server-everything and of the fixture in each era, for clients with a token.
func kit(t *testing.T) (*gateway, map[string]*mcpserver.Server) {
	t.Helper()
	tools, more := "", fmt.Sprintf("mcp:\n  servers:\n    everything: {url: %q}\n", everything(t))
	servers := map[string]*mcpserver.Server{}
	names := map[string][]string{"everything": everythingTools}
	for _, name := range []string{"both", "sessions"} {
		c := mcpserver.Suite()
		c.NoModern = name == "sessions"
		s, err := mcpserver.Start(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		servers[name] = s
		more += fmt.Sprintf("    %s: {url: %q}\n", name, s.URL())
		names[name] = append(slices.Sorted(maps.Keys(c.Tools)), "test_comes_and_goes")
	}
	for server, all := range names {
		for _, tool := range all {
			tools += fmt.Sprintf("%s__%s: {allow: [\"*\"], effect: read}\n", server, tool)
		}
		for _, kind := range []string{"prompts", "resources"} {
			tools += fmt.Sprintf("%s/%s: {allow: [\"*\"], effect: read}\n", kind, server)
		}
	}
	return own(t, setup{tools: tools, more: more}), servers
}

// mcpScript runs one of the SDKs' scripts and reports each failed check.
func mcpScript(t *testing.T, program string, args ...string) {
	t.Helper()
	g, servers := kit(t)
	sdk, err := filepath.Abs("../.tools/mcp/js")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "YJ_URL="+g.url, "YJ_SDK="+sdk, "YJ_TOKEN="+sara(t), "NO_PROXY=127.0.0.1", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	if !strings.Contains(string(out), " checks in ") {
		t.Errorf("it did not come to its end:\n%s", out)
	}
	t.Log(lastLine(out))
	eventually(t, "the cancelled calls, at their servers", func() bool {
		return servers["both"].Count("cancelled") >= 1 && servers["sessions"].Count("cancelled") >= 1
	})
}

// TestMCPJavaScript runs the official TypeScript SDKs, versions 1 and 2.
func TestMCPJavaScript(t *testing.T) {
	mcpTool(t, "js/node_modules/@modelcontextprotocol/client")
	mcpScript(t, "node", "mcp/js/sdk.mjs")
}

// TestMCPPython runs the official Python SDK.
func TestMCPPython(t *testing.T) {
	mcpScript(t, mcpTool(t, "venv/bin/python"), "mcp/py/sdk.py")
}

// TestMCPGo runs the official Go SDK, in each era.
func TestMCPGo(t *testing.T) {
	g, servers := kit(t)
	for _, version := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(version, func(t *testing.T) {
			c := connectGo(t, g, version)
			for name, check := range map[string]func(t *testing.T, c *goClient){
				"lists": goLists, "calls": goCalls, "asks": goAsks, "progress": goProgress, "cancels": goCancels, "changes": goChanges,
			} {
				t.Run(name, func(t *testing.T) { check(t, c) })
			}
		})
	}
	eventually(t, "the cancelled calls, at their servers", func() bool {
		return servers["both"].Count("cancelled") == 2 && servers["sessions"].Count("cancelled") == 2
	})
}

// goClient is a client made with the official Go SDK, and what it was told.
type goClient struct {
	*mcp.ClientSession
	progress chan float64
	tools    chan struct{}
	updated  chan string
}

func connectGo(t *testing.T, g *gateway, version string) *goClient {
	t.Helper()
	c := &goClient{progress: make(chan float64, 100), tools: make(chan struct{}, 100), updated: make(chan string, 100)}
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: object{"name": "Ann", "username": "ann", "email": "a@example.com", "color": "blue"}}, nil
		},
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) { //nolint:staticcheck // deprecated, and spoken for a year at least
			return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: "Paris, of course"}}, nil //nolint:staticcheck // deprecated, and spoken for a year at least
		},
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { c.progress <- r.Params.Progress },
		ToolListChangedHandler:      func(context.Context, *mcp.ToolListChangedRequest) { c.tools <- struct{}{} },
		ResourceUpdatedHandler:      func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) { c.updated <- r.Params.URI },
	})
	client.AddRoots(&mcp.Root{URI: "file:///work", Name: "work"}) //nolint:staticcheck // deprecated, and spoken for a year at least
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: g.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{sara(t), transport}},
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	if got := session.InitializeResult().ProtocolVersion; got != version {
		t.Fatalf("they speak %s", got)
	}
	c.ClientSession = session
	return c
}

// says is the text of a tool's result.
func (c *goClient) says(t *testing.T, name string, arguments object) string {
	t.Helper()
	r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var out []string
	for _, content := range r.Content {
		if text, ok := content.(*mcp.TextContent); ok {
			out = append(out, text.Text)
		}
	}
	return strings.Join(out, "\n")
}

func goLists(t *testing.T, c *goClient) {
	var names []string
	for tool, err := range c.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, tool.Name)
	}
	for _, want := range []string{"everything__echo", "everything__trigger-elicitation-request", "both__test_simple_text", "sessions__test_simple_text"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
	r, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "both+test://template/7/data"})
	if err != nil || r.Contents[0].URI != "both+test://template/7/data" || !strings.Contains(r.Contents[0].Text, `"id":"7"`) {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "both+test://none"}); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("what is not there: %v", err)
	}
	p, err := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "everything__args-prompt", Arguments: map[string]string{"city": "Bern"}})
	if err != nil || !strings.Contains(p.Messages[0].Content.(*mcp.TextContent).Text, "Bern") {
		t.Errorf("%+v %v", p, err)
	}
}

func goCalls(t *testing.T, c *goClient) {
	if got := c.says(t, "everything__echo", object{"message": "hello"}); got != "Echo: hello" {
		t.Error(got)
	}
	if _, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "everything__no-such-tool"}); err == nil || !strings.Contains(err.Error(), "Unknown tool") {
		t.Error(err)
	}
}

func goAsks(t *testing.T, c *goClient) {
	for tool, want := range map[string]string{
		"everything__trigger-elicitation-request": "Name: Ann", "both__test_elicitation": "action: accept", "sessions__test_elicitation": "action: accept",
		"both__test_sampling": "Paris, of course", "sessions__test_sampling": "Paris, of course", "everything__trigger-sampling-request": "Paris, of course",
		"both__test_input_required_result_list_roots": "file:///work", "sessions__test_input_required_result_list_roots": "file:///work",
		"both__test_input_required_result_multi_round": "Ann likes blue", "sessions__test_input_required_result_multi_round": "Ann likes blue",
	} {
		if got := c.says(t, tool, object{"message": "who?", "prompt": "capital?"}); !strings.Contains(got, want) {
			t.Errorf("%s says %s", tool, got)
		}
	}
}

func goProgress(t *testing.T, c *goClient) {
	params := &mcp.CallToolParams{Name: "everything__trigger-long-running-operation", Arguments: object{"duration": 0.2, "steps": 2}}
	params.SetProgressToken("p")
	if _, err := c.CallTool(t.Context(), params); err != nil {
		t.Fatal(err)
	}
	for _, want := range []float64{1, 2} {
		select {
		case got := <-c.progress:
			if got != want {
				t.Errorf("progress %v, not %v", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no progress")
		}
	}
}

func goCancels(t *testing.T, c *goClient) {
	for _, server := range []string{"both", "sessions"} {
		ctx, cancel := context.WithCancel(t.Context())
		params := &mcp.CallToolParams{Name: server + "__test_waits", Arguments: object{}}
		params.SetProgressToken("w" + server)
		go func() {
			<-c.progress
			cancel()
		}()
		if r, err := c.CallTool(ctx, params); err == nil {
			t.Errorf("it was not cancelled: %+v", r)
		}
		cancel()
	}
}

func goChanges(t *testing.T, c *goClient) {
	for _, server := range []string{"both", "sessions"} {
		uri := server + "+test://watched-resource"
		if err := c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: uri}); err != nil {
			t.Fatal(err)
		}
		// The server hears of us a moment after we are told that we are heard.
		heard := map[string]bool{}
		for end := time.Now().Add(20 * time.Second); len(heard) < 2 && time.Now().Before(end); {
			c.says(t, server+"__test_trigger_tool_change", nil)
			c.says(t, server+"__test_update", nil)
			for wait := time.After(300 * time.Millisecond); wait != nil; {
				select {
				case <-c.tools:
					heard["tools"] = true
				case got := <-c.updated:
					heard[got] = true
				case <-wait:
					wait = nil
				}
			}
		}
		if !heard["tools"] || !heard[uri] {
			t.Errorf("%s: only %v was heard", server, heard)
		}
		if err := c.Unsubscribe(t.Context(), &mcp.UnsubscribeParams{URI: uri}); err != nil {
			t.Error(err)
		}
	}
}
