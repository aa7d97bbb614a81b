package dial

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestPublic(t *testing.T) {
	for address, ok := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1111]:443": true,
		"127.0.0.1:443": false, "10.1.2.3:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false,
		"169.254.169.254:80": false, "100.100.100.200:80": false, "0.0.0.0:80": false, "0.1.2.3:80": false, "224.0.0.1:80": false,
		"255.255.255.255:80": false, "198.18.0.1:80": false, "240.0.0.1:80": false,
		"[::1]:443": false, "[::]:443": false, "[fe80::1]:443": false, "[fe80::1%eth0]:443": false, "[fd00:ec2::254]:80": false,
		"[::ffff:127.0.0.1]:443": false, "[::ffff:169.254.169.254]:443": false, "[64:ff9b::7f00:1]:443": false,
		"[2002:7f00:1::]:443": false, "[2001:0:1::]:443": false, "[fec0::1]:443": false, "[ff02::1]:443": false,
		"nonsense": false,
	} {
		if err := public("tcp", address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	if public("udp", "8.8.8.8:443") == nil {
		t.Error("udp is reached")
	}
}

func TestCheck(t *testing.T) {
	g := New(Config{Private: []string{"Idp.internal", "localhost:8080"}})
	for raw, ok := range map[string]bool{
		"https://example.com/x": true, "http://example.com": false, "ftp://example.com": false, "file:///etc/passwd": false,
		"http://idp.internal/token": true, "http://IDP.internal:99/": true, "http://localhost:8080/": true, "http://localhost:8081/": false,
		"https://user@example.com/": false, "https:///x": false, "https:x": false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Check(u); (err == nil) != ok {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestClient(t *testing.T) {
	reached := 0
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer inner.Close()
	host := strings.TrimPrefix(inner.URL, "http://")
	port := host[strings.LastIndexByte(host, ':')+1:]
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, map[string]string{"/plain": "http://localhost:" + port, "/tls": "https://127.0.0.1:" + port, "/loop": "/loop"}[r.URL.Path], http.StatusFound)
	}))
	defer outer.Close()
	allowed := strings.TrimPrefix(outer.URL, "http://")

	for name, to := range map[string]string{
		"loopback by address": "https://" + host, "loopback by name": "https://localhost:" + port, "plain http": inner.URL,
		"redirect to http": outer.URL + "/plain", "redirect to a private address": outer.URL + "/tls", "redirects without end": outer.URL + "/loop",
	} {
		resp, err := New(Config{Private: []string{allowed}}).Client().Get(to)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if reached != 0 {
		t.Fatal("a private server was reached")
	}
	resp, err := New(Config{Private: []string{allowed, host}, NoRedirects: true}).Client().Get(outer.URL + "/plain")
	if err != nil || resp.StatusCode != http.StatusFound {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	t.Setenv("HTTPS_PROXY", inner.URL)
	if resp, err := New(Config{}).Client().Get("https://proxied.invalid/"); err == nil || reached != 0 {
		t.Error("a proxy of the environment was used", resp, err)
	}
	if resp, err = New(Config{Private: []string{host}}).Client().Get(inner.URL); err != nil || reached != 1 {
		t.Fatal(err)
	}
	resp.Body.Close()
}
