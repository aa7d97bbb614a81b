package envoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxAdminAnswer bounds what is read of one admin answer.
const maxAdminAnswer = 4 << 20

// adminClient speaks to Envoy's admin on its Unix socket.
type adminClient struct{ http http.Client }

func newAdminClient(socket string) *adminClient {
	return &adminClient{http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true, // nothing of ours stays behind in an idle process
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
		},
	}}
}

func (a *adminClient) do(ctx context.Context, method, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() // read to the end or not, there is nothing to save
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAdminAnswer))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("admin %s: %s", path, answer.Status)
	}
	return body, nil
}

// stats returns the counters and gauges whose names match filter.
func (a *adminClient) stats(ctx context.Context, filter string) (map[string]int64, error) {
	body, err := a.do(ctx, http.MethodGet, "/stats?filter="+url.QueryEscape(filter))
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for line := range strings.Lines(string(body)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			out[name] = n
		}
	}
	return out, nil
}

// live returns the listener's address once Envoy is initialised and its workers have started: /ready alone comes a
// moment before the workers accept.
func (a *adminClient) live(ctx context.Context) (string, error) {
	if _, err := a.do(ctx, http.MethodGet, "/ready"); err != nil {
		return "", err
	}
	started, err := a.stats(ctx, `^listener_manager\.workers_started$`)
	if err != nil {
		return "", err
	}
	if started["listener_manager.workers_started"] != 1 {
		return "", errors.New("workers have not started")
	}
	body, err := a.do(ctx, http.MethodGet, "/listeners?format=json")
	if err != nil {
		return "", err
	}
	return listenerAddress(body)
}

func listenerAddress(body []byte) (string, error) {
	var answer struct {
		Listeners []struct {
			Name  string `json:"name"`
			Local struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("admin /listeners: %w", err)
	}
	for _, l := range answer.Listeners {
		if l.Name == gatewayListener {
			return net.JoinHostPort(l.Local.Socket.Address, strconv.Itoa(l.Local.Socket.Port)), nil
		}
	}
	return "", errors.New("no listener yet")
}

// tail keeps the last line that Envoy logged at error or above, to say why it ended.
type tail struct {
	mu   sync.Mutex
	part []byte
	line string
}

// Write takes a piece of the log.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part = append(t.part, p...)
	for {
		line, rest, ok := strings.Cut(string(t.part), "\n")
		if !ok {
			break
		}
		if strings.Contains(line, "[critical]") || strings.Contains(line, "[error]") {
			t.line = line
		}
		t.part = []byte(rest)
	}
	if len(t.part) > 64<<10 {
		t.part = nil
	}
	return len(p), nil
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.line
}
