package dial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a server that reads requests and writes what it is told, on as many connections as come.
type scripted struct {
	url     string
	conns   atomic.Int64
	answers chan string // one for each request; what follows "|" is written once the client has read what came before
	more    chan struct{}
}

func script(t *testing.T, answers ...string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{url: "http://" + l.Addr().String() + "/mcp", answers: make(chan string, len(answers)), more: make(chan struct{})}
	for _, a := range answers {
		s.answers <- a
	}
	close(s.answers)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			go s.serve(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return s
}

func (s *scripted) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		text, ok := <-s.answers
		if !ok {
			return
		}
		hangUp := strings.HasSuffix(text, "$")
		for i, part := range strings.Split(strings.TrimSuffix(text, "$"), "|") {
			if i > 0 {
				<-s.more
			}
			_, _ = io.WriteString(c, part)
		}
		if hangUp {
			return
		}
	}
}

func clientOf(t *testing.T, url string) *http.Client {
	t.Helper()
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/mcp")
	c := New(Config{Private: []string{host}, NoRedirects: true}).Client()
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func post(ctx context.Context, c *http.Client, url, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, b), err
}

// noticed waits until what a server did to connections that are kept has arrived.
func noticed(t *testing.T, client *http.Client) {
	p := client.Transport.(checked).plain
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		open := 0
		p.mu.Lock()
		for _, all := range p.idle {
			for _, c := range all {
				if quiet(c.Conn) {
					open++
				}
			}
		}
		p.mu.Unlock()
		if open == 0 {
			return
		}
	}
	t.Error("a connection is kept on which nothing may come any more")
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestPlain: each answer is read as it is, and its connection is used again where nothing of it is in doubt.
func TestPlain(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   string // "" is an error
		again  bool   // the next request comes on the same connection
	}{
		"a length":                    {ok, "200 ok", true},
		"chunks":                      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "200 abc", true},
		"nothing":                     {"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", "202 ", true},
		"no content":                  {"HTTP/1.1 204 No Content\r\n\r\n", "204 ", true},
		"an error":                    {"HTTP/1.1 503 Away\r\nContent-Length: 1\r\n\r\nx", "503 x", true},
		"an early hint":               {"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + ok, "200 ok", true},
		"a redirect":                  {"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "302 ", true},
		"said to be the last":         {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "200 ok", false},
		"up to the end":               {"HTTP/1.1 200 OK\r\n\r\nok$", "200 ok", false},
		"of before":                   {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 ok", false},
		"closed afterwards":           {ok + "$", "200 ok", false},
		"an answer that nobody wants": {ok + ok, "200 ok", false},
		"cut off":                     {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok$", "", false},
		"cut off in chunks":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab$", "", false},
		"no HTTP":                     {"SSH-2.0-OpenSSH\r\n", "", false},
		"two lengths":                 {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk", "", false},
		"another protocol":            {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "", false},
		"hints without end":           {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20) + ok, "", false},
		"a head that never ends":      {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Y: "+strings.Repeat("z", 1000)+"\r\n", 1100) + "Content-Length: 0\r\n\r\n", "", false},
		"gone":                        {"$", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, c.answer, ok)
			client := clientOf(t, s.url)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			got, err := post(ctx, client, s.url, `{"a":1}`)
			if ctx.Err() != nil || (err == nil) != (c.want != "") || err == nil && got != c.want {
				t.Fatalf("%q, %v", got, err)
			}
			if name == "closed afterwards" || name == "an answer that nobody wants" {
				noticed(t, client)
			}
			if got, err = post(ctx, client, s.url, "{}"); err != nil || got != "200 ok" {
				t.Fatalf("after it: %q, %v", got, err)
			}
			if conns := s.conns.Load(); (conns == 1) != c.again {
				t.Errorf("%d connections", conns)
			}
		})
	}
}

// TestPlainStream: what a server says bit by bit arrives bit by bit; who reads it is told when it is over, cancelled or closed.
func TestPlainStream(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	s := script(t, head+"first|second$", head+"first|$", head+"first|$", "|"+ok)
	client := clientOf(t, s.url)
	open := func(ctx context.Context) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 100)
		if n, err := resp.Body.Read(part); err != nil || string(part[:n]) != "first" {
			t.Fatalf("%q, %v", part[:n], err)
		}
		return resp
	}
	resp := open(t.Context())
	s.more <- struct{}{}
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
		t.Errorf("%q, %v", rest, err)
	}
	_ = resp.Body.Close()

	ctx, cancel := context.WithCancel(t.Context())
	resp = open(ctx)
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s.more <- struct{}{}
	_ = resp.Body.Close()

	resp = open(t.Context())
	time.AfterFunc(time.Millisecond, func() { _ = resp.Body.Close() })
	if _, err := resp.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("closed: %v", err)
	}
	if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("after it was closed: %v", err)
	}
	s.more <- struct{}{}

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond) // before the answer has begun
	defer cancel()
	if got, err := post(ctx, client, s.url, "{}"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("late: %q, %v", got, err)
	}
	s.more <- struct{}{}
}

// TestPlainApart: calls at the same time have connections of their own, and as many are kept as may be.
func TestPlainApart(t *testing.T) {
	answers := make([]string, 0, 3)
	for range 3 {
		answers = append(answers, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab|cd")
	}
	s := script(t, append(answers, ok)...)
	client := clientOf(t, s.url)
	done := make(chan error, 3)
	for range 3 {
		go func() {
			got, err := post(t.Context(), client, s.url, "{}")
			if err == nil && got != "200 abcd" {
				err = errors.New(got)
			}
			done <- err
		}()
	}
	for s.conns.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	close(s.more)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got, err := post(t.Context(), client, s.url, "{}"); err != nil || s.conns.Load() != 3 {
		t.Errorf("%q, %v, %d connections", got, err, s.conns.Load())
	}
}

// TestLong: a long request is for the transport that reads while it writes.
func TestLong(t *testing.T) {
	p := &plain{}
	for size, want := range map[int]bool{1: true, maxWhole: true, maxWhole + 1: false} {
		r, _ := http.NewRequest(http.MethodPost, "http://x/", strings.NewReader(strings.Repeat("x", size)))
		if p.takes(r) != want {
			t.Errorf("%d: %v", size, !want)
		}
	}
	r, _ := http.NewRequest(http.MethodPost, "http://x/", io.NopCloser(strings.NewReader("x")))
	r.ContentLength = -1
	if s, _ := http.NewRequest(http.MethodGet, "https://x/", http.NoBody); p.takes(r) || p.takes(s) {
		t.Error("one of unknown length, or by TLS")
	}
}

// TestKept: what is kept is bounded in number and in time.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plain{}
		defer p.CloseIdleConnections()
		far := make([]net.Conn, 0, maxIdle+2)
		push := func(n int) {
			for range n {
				near, end := net.Pipe()
				far = append(far, end)
				p.push(&conn{Conn: near, address: "a:80"})
			}
		}
		closed := func() (n int) {
			for _, c := range far {
				_ = c.SetReadDeadline(time.Now())
				if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
					n++
				}
			}
			return n
		}
		push(2)
		time.Sleep(keptFor / 2)
		push(maxIdle)
		if n := closed(); n != 2 {
			t.Errorf("%d are closed, of %d", n, len(far))
		}
		time.Sleep(keptFor/2 + time.Second)
		synctest.Wait()
		if n := closed(); n != 4 {
			t.Errorf("%d are closed, after the first are old", n)
		}
		time.Sleep(2 * keptFor)
		synctest.Wait()
		if n := closed(); n != len(far) || len(p.idle) != 0 || p.sweep != nil {
			t.Errorf("%d of %d are closed, %d hosts, %v", n, len(far), len(p.idle), p.sweep)
		}
	})
}
