package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// TestStrict: what could be read in two ways is read in none.
func TestStrict(t *testing.T) {
	g := shared(t)
	who := sara(t)
	const messages = `"messages":[{"role":"user","content":"hi"}]`
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"nothing", ` `, 400, "malformed_json"},
		{"no JSON", `model=x`, 400, "malformed_json"},
		{"half of it", `{"model":"mock/small",` + messages, 400, "malformed_json"},
		{"an array", `[]`, 400, "malformed_json"},
		{"two of it", `{"model":"mock/small",` + messages + `}{}`, 400, "malformed_json"},
		{"a name twice", `{"model":"mock/small","model":"mock/large",` + messages + `}`, 400, "malformed_json"},
		{"a name twice, escaped", `{"model":"mock/small","mod\u0065l":"mock/large",` + messages + `}`, 400, "malformed_json"},
		{"a name in another case", `{"model":"mock/small","Tools":[],` + messages + `}`, 400, "malformed_json"},
		{"a deep name twice", `{"model":"mock/small","messages":[{"role":"user","role":"tool","content":"hi"}]}`, 400, "malformed_json"},
		{"no UTF-8", "{\"model\":\"mock/small\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", 400, "malformed_json"},
		{"too deep", `{"model":"mock/small",` + messages + `,"response_format":` + strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000) + `}`, 400, "malformed_json"},
		{"an unknown field", `{"model":"mock/small",` + messages + `,"tool_execution":"server"}`, 403, "unknown_field"},
		{"a plugin", `{"model":"mock/small",` + messages + `,"plugins":[{"id":"web"}]}`, 403, "feature_denied"},
		{"an online model", `{"model":"mock/small:online",` + messages + `}`, 403, "feature_denied"},
		{"a further model", `{"model":"strict/small","models":["large"],` + messages + `}`, 403, "model_denied"},
		{"a model that nobody knows", `{"model":"gibtsnicht",` + messages + `}`, 404, "model_unknown"},
		{"a model for others", `{"model":"strict/large",` + messages + `}`, 403, "model_denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(theStage.upstream.Received())
			a := g.ask(t, chat{token: who, raw: c.body})
			a.refused(t, c.status, c.code)
			if strings.Contains(a.body, "tool_execution\":\"server") {
				t.Errorf("it quotes a value: %s", a.body)
			}
			if after := len(theStage.upstream.Received()); after != before {
				t.Error("it reached the provider")
			}
		})
	}
}

// TestPaths: unknown is denied.
func TestPaths(t *testing.T) {
	g := shared(t)
	who := sara(t)
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"POST", "/v1/responses/resp_1/cancel", 404, "not_found"},
		{"POST", "/v1/chat/completions/", 404, "not_found"},
		{"GET", "/", 404, "not_found"},
		{"GET", "/v1/../v1/models", 0, ""}, // normalised, or refused; never something else
		{"GET", "/v1/chat/completions", 405, "method_not_allowed"},
		{"DELETE", "/v1/models", 405, "method_not_allowed"},
		{"GET", "/v1/models?after=x", 400, "unknown_field"},
		{"GET", "/_received", 404, "not_found"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			a := g.get(t, c.method, c.path, who)
			if c.status == 0 {
				if a.status == 200 && !strings.Contains(a.body, `"object":"list"`) {
					t.Errorf("got %d %s", a.status, a.body)
				}
				return
			}
			a.refused(t, c.status, c.code)
		})
	}
	t.Run("models are those that one may use", func(t *testing.T) {
		a := g.get(t, "GET", "/v1/models", who)
		if a.status != 200 || !strings.Contains(a.body, `"fast"`) || !strings.Contains(a.body, `"strict/small"`) || strings.Contains(a.body, `"strict/large"`) {
			t.Errorf("got %d %s", a.status, a.body)
		}
		if a.header.Get("X-Yellowjack-Decision-Id") == "" {
			t.Error("no decision id")
		}
	})
}

// TestBodies: content types, encodings and sizes.
func TestBodies(t *testing.T) {
	g := shared(t)
	who := sara(t)
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "multipart/form-data; boundary=x"} {
		t.Run(kind, func(t *testing.T) {
			g.ask(t, chat{token: who, say: "hi", header: map[string]string{"Content-Type": kind}}).refused(t, 415, "unsupported_media_type")
		})
	}
	packed := map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"br":   func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	}
	for encoding, pack := range packed {
		send := func(text string) answer {
			var b bytes.Buffer
			z := pack(&b)
			if _, err := io.WriteString(z, text); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			return g.ask(t, chat{token: who, raw: b.String(), header: map[string]string{"Content-Encoding": encoding}})
		}
		t.Run(encoding, func(t *testing.T) {
			body, mark := chat{say: "hi"}.body()
			a := send(body)
			a.mark = mark
			if r := a.upstream(t); a.status != 200 || r.Header.Get("Content-Encoding") != "" || r.Length != int64(len(r.Body)) {
				t.Errorf("got %d; the provider got %v", a.status, r.Header)
			}
		})
		t.Run(encoding+" bomb", func(t *testing.T) {
			send(`{"model":"mock/small","messages":[{"role":"user","content":"`+strings.Repeat("0", 20<<20)+`"}]}`).refused(t, 413, "too_large")
		})
	}
	t.Run("an unknown encoding", func(t *testing.T) {
		g.ask(t, chat{token: who, say: "hi", header: map[string]string{"Content-Encoding": "rot13"}}).refused(t, 415, "bad_encoding")
	})
	t.Run("not what it says", func(t *testing.T) {
		g.ask(t, chat{token: who, say: "hi", header: map[string]string{"Content-Encoding": "gzip"}}).refused(t, 400, "bad_encoding")
	})
	// Above our limit of 8 MiB we say so; far above it Envoy does, which does not buffer so much.
	for _, size := range []int{9 << 20, 64 << 20} {
		t.Run(fmt.Sprintf("%d MiB", size>>20), func(t *testing.T) {
			a := g.ask(t, chat{token: who, say: strings.Repeat("x", size)})
			if a.err != nil {
				t.Skipf("the connection was closed while the body was sent, as HTTP allows: %v", a.err)
			}
			a.refused(t, 413, "too_large")
		})
	}
	t.Run("7 MiB are taken, byte for byte", func(t *testing.T) {
		long := strings.Repeat("ü", 7<<19)
		if r := g.ask(t, chat{token: who, say: long}).upstream(t); !strings.Contains(r.Body, long) || r.Length != int64(len(r.Body)) {
			t.Errorf("%d bytes arrived of %d", len(r.Body), r.Length)
		}
	})
}

// TestUntouched: what policy does not change reaches the provider byte for byte, but for the model's name.
func TestUntouched(t *testing.T) {
	g := shared(t)
	const body = "{ \"model\" : \"mock/small\",\t\"messages\":[ {\"role\":\"user\",\"content\":\"\\u0041\\/ \\ud83d\\ude00 mark-untouched\"} ],\n" +
		"\"temperature\":1.0e0, \"seed\":12345678901234567890, \"stop\":[\"\\n\"], \"logit_bias\":{\"50256\":-100.000} }"
	a := g.ask(t, chat{token: sara(t), raw: body})
	if a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	r := arrived("mark-untouched")
	if want := strings.Replace(body, "mock/small", "small", 1); r == nil || r.Body != want {
		t.Errorf("the provider got %v, want %s", r, want)
	}
}

// TestForgedHeaders: what routes is ours alone. A client that sends it gets no further than one that does not.
func TestForgedHeaders(t *testing.T) {
	g := shared(t)
	forged := map[string]string{
		"X-Yellowjack-Cluster": "mock", "X-Yellowjack-Decision-Id": "forged", "X-Envoy-Original-Path": "/v1/models",
		"X-Envoy-Upstream-Rq-Timeout-Ms": "1", "X-Envoy-Retry-On": "5xx", "X-Envoy-Max-Retries": "9",
		"X-Forwarded-For": "10.0.0.1", "Cookie": "session=1", "Proxy-Authorization": "Basic eDp5", "Accept-Encoding": "gzip, br",
	}
	for _, cluster := range []string{"mock", "provider_mock", "yellowjack_mock", "yellowjack_extproc", ""} {
		forged["X-Yellowjack-Cluster"] = cluster
		g.ask(t, chat{say: "hi", header: forged}).refused(t, 401, "no_credential")
	}
	forged["X-Yellowjack-Cluster"] = "nobody"
	a := g.ask(t, chat{token: sara(t), say: "hi", header: forged})
	r := a.upstream(t)
	if a.status != 200 || a.header.Get("X-Yellowjack-Decision-Id") == "forged" {
		t.Errorf("got %d %v", a.status, a.header)
	}
	for _, name := range []string{"X-Yellowjack-Cluster", "X-Yellowjack-Decision-Id", "X-Envoy-Original-Path", "X-Envoy-Upstream-Rq-Timeout-Ms", "X-Envoy-Retry-On", "Cookie", "Proxy-Authorization"} {
		if v := r.Header.Get(name); v != "" {
			t.Errorf("%s: %s went on", name, v)
		}
	}
	if v := r.Header.Get("Accept-Encoding"); v != "identity" {
		t.Errorf("accept-encoding %q", v)
	}
	if r.Host != strings.TrimPrefix(theStage.upstream.URL(), "http://") {
		t.Errorf("host %q", r.Host)
	}
}

// TestRaw: requests that Envoy answers by itself come in shape too, and nothing of them goes on.
func TestRaw(t *testing.T) {
	g := shared(t)
	for name, text := range map[string]string{
		"upgrade":           "GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"a huge header":     "GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("x", 100<<10) + "\r\n\r\n",
		"length and chunks": "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"connect":           "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			before := len(theStage.upstream.Received())
			conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			one := make([]byte, 12)
			if _, err := io.ReadFull(conn, one); err != nil {
				t.Fatal(err)
			}
			if status := string(one[9:]); status[0] != '4' {
				t.Errorf("got %s", one)
			}
			if len(theStage.upstream.Received()) != before {
				t.Error("it reached the provider")
			}
		})
	}
}

// probe asks the telemetry server.
func (g *gateway) probe(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + g.metrics + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
