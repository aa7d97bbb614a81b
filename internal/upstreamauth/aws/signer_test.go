package aws_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/yellowjack/yellowjack/internal/upstreamauth/aws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The keys of AWS' published examples.
var example = aws.Keys{ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}

func keys(k aws.Keys) func() (aws.Keys, error) { return func() (aws.Keys, error) { return k, nil } }

func signer(t *testing.T, c aws.Config) *aws.Signer {
	t.Helper()
	s, err := aws.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// at runs f at the moment of AWS' examples.
func at(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)))
		f(t)
	})
}

// TestVectors: values of AWS' test suite for signature version 4.
func TestVectors(t *testing.T) {
	session := example
	session.Session = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd" +
		"QrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
	for name, c := range map[string]struct {
		keys            aws.Keys
		method, path    string
		signed, outcome string
	}{
		"get-vanilla":                  {example, "GET", "/", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"post-vanilla":                 {example, "POST", "/", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		"post-vanilla-query":           {example, "POST", "/?Param1=value1", "host;x-amz-date", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
		"get-vanilla-query-order-key":  {example, "GET", "/?Param1=value2&Param1=Value1", "host;x-amz-date", "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"},
		"get-vanilla-query-order-case": {example, "GET", "/?Param2=value2&Param1=value1", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		"get-unreserved": {
			example, "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
			"host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
		},
		"post-sts-header-before": {session, "POST", "/", "host;x-amz-date;x-amz-security-token", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
	} {
		at(t, func(t *testing.T) {
			s := signer(t, aws.Config{Region: "us-east-1", Service: "service", Keys: keys(c.keys)})
			got, err := s.Authorize(t.Context(), c.method, "example.amazonaws.com", c.path, nil)
			if err != nil {
				t.Fatal(name, err)
			}
			want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + c.signed + ", Signature=" + c.outcome
			if got.Get("Authorization") != want || got.Get("X-Amz-Date") != "20150830T123600Z" || got.Get("X-Amz-Security-Token") != c.keys.Session {
				t.Errorf("%s:\n%v\nnot\n%s", name, got, want)
			}
		})
	}
}

// verify recomputes the signature of a request as it arrived, by hand.
func verify(r *http.Request, body []byte, region, service string, k aws.Keys) error {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+k.ID+"/")
	scope, rest, _ := strings.Cut(rest, ", SignedHeaders=")
	signed, signature, _ := strings.Cut(rest, ", Signature=")
	day := r.Header.Get("X-Amz-Date")
	if !ok || len(day) != 16 || scope != day[:8]+"/"+region+"/"+service+"/aws4_request" {
		return errors.New("no such scope: " + r.Header.Get("Authorization"))
	}
	names := strings.Split(signed, ";")
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && !slices.Contains(names, strings.ToLower(name)) {
			return errors.New(name + " is not signed")
		}
	}
	headers := ""
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		headers += name + ":" + value + "\n"
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	sum := sha256.Sum256(body)
	canonical := strings.Join([]string{r.Method, escape(path), query, headers, signed, hex.EncodeToString(sum[:])}, "\n")
	sum = sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", day, scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + k.Secret)
	for _, part := range append(strings.Split(scope, "/"), toSign) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != signature {
		return errors.New("another signature, over\n" + canonical)
	}
	return nil
}

// escape escapes a path once more.
func escape(path string) string {
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case c == '/', c == '-', c == '.', c == '_', c == '~', '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// TestOnTheWire: what was signed is what arrives, whatever stands in the path.
func TestOnTheWire(t *testing.T) {
	k := aws.Keys{ID: "AKIDEXAMPLE", Secret: "secret", Session: "session/+="}
	var wrong error
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if wrong = verify(r, body, "eu-central-1", "bedrock", k); err != nil {
			wrong = err
		}
	}))
	defer server.Close()
	for _, hash := range []bool{false, true} {
		s := signer(t, aws.Config{Region: "eu-central-1", Keys: keys(k), HashHeader: hash})
		for _, path := range []string{
			"/model/anthropic.claude-v2/converse",
			"/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream",
			"/model/anthropic.claude-3-5-sonnet-20241022-v2:0/converse",
			"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Feu.x.y-v1%3A0/converse",
			"/model/a%20b%2fc+d@e/converse?x=1",
		} {
			const body = `{"messages":[]}`
			host := strings.TrimPrefix(server.URL, "http://")
			headers, err := s.Authorize(t.Context(), http.MethodPost, host, path, []byte(body))
			if err != nil {
				t.Fatal(path, err)
			}
			if _, ok := headers["X-Amz-Content-Sha256"]; ok != hash {
				t.Error("a hash:", ok)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Opaque = path // as it is
			r.Header = headers
			r.Header.Set("Content-Type", "application/json") // and what the walk and Envoy add
			r.Header.Set("X-Request-Id", "1")
			wrong = errors.New("nothing arrived")
			res, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if wrong != nil {
				t.Errorf("%s: %v", path, wrong)
			}
		}
	}
}

// TestPort: a port stays in the host that is signed, as it does in the one that Envoy sends.
func TestPort(t *testing.T) {
	at(t, func(t *testing.T) {
		s := signer(t, aws.Config{Region: "us-east-1", Keys: keys(example)})
		seen := map[string]bool{}
		for _, host := range []string{"bedrock.example", "bedrock.example:443", "bedrock.example:80"} {
			got, err := s.Authorize(t.Context(), "POST", host, "/model/m/converse", nil)
			if err != nil {
				t.Fatal(err)
			}
			seen[got.Get("Authorization")] = true
		}
		if len(seen) != 3 {
			t.Error(seen)
		}
	})
}

func TestRefusesWhatIsReadOtherwise(t *testing.T) {
	s := signer(t, aws.Config{Region: "us-east-1", Keys: keys(example)})
	for _, c := range [][3]string{
		{"post", "h", "/"},
		{"", "h", "/"},
		{"PO ST", "h", "/"},
		{"POST", "", "/"},
		{"POST", "h/x", "/"},
		{"POST", "h\nx", "/"},
		{"POST", "h", ""},
		{"POST", "h", "model/m/converse"},
		{"POST", "h", "/model/../admin"},
		{"POST", "h", "/model/%2e%2E/admin"},
		{"POST", "h", "/model//converse"},
		{"POST", "h", "/model/%zz/converse"},
		{"POST", "h", "/model/ü/converse"},
		{"POST", "h", "/model/a b/converse"},
		{"POST", "h", "/model/m/converse#x"},
		{"POST", "h", "/model/m/converse?a=%zz"},
		{"POST", "h", "/model/m/converse?a;b"},
		{"POST", "h", "/model/m/converse?X-Amz-Signature=1"},
	} {
		if got, err := s.Authorize(t.Context(), c[0], c[1], c[2], nil); err == nil {
			t.Errorf("%q: %v", c, got)
		}
	}
	for _, c := range []aws.Config{{Keys: keys(example)}, {Region: "Us East", Keys: keys(example)}, {Region: "us-east-1", Service: "a/b", Keys: keys(example)}} {
		if _, err := aws.New(t.Context(), c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestBadKeys(t *testing.T) {
	for _, read := range []func() (aws.Keys, error){
		keys(aws.Keys{}), keys(aws.Keys{ID: "a"}), keys(aws.Keys{ID: "a\n", Secret: "hush"}), keys(aws.Keys{ID: "a", Secret: "hush", Session: "ü"}),
		func() (aws.Keys, error) { return aws.Keys{}, errors.New("hush") },
	} {
		s := signer(t, aws.Config{Region: "us-east-1", Keys: read})
		_, err := s.Authorize(t.Context(), "POST", "h", "/", nil)
		if !errors.Is(err, aws.ErrNoCredentials) || strings.Contains(err.Error(), "hush") {
			t.Error(err)
		}
	}
}

// TestRenewed: keys are read anew in the background, and those that are there sign meanwhile, and when that fails.
func TestRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now, reads := aws.Keys{ID: "one", Secret: "s"}, 0
		var broken error
		s := signer(t, aws.Config{Region: "us-east-1", Keys: func() (aws.Keys, error) {
			reads++
			return now, broken
		}})
		by := func(id string) {
			t.Helper()
			got, err := s.Authorize(t.Context(), "POST", "h", "/", nil)
			if err != nil || !strings.Contains(got.Get("Authorization"), "Credential="+id+"/") {
				t.Fatal(got, err)
			}
			synctest.Wait()
		}
		by("one")
		now.ID = "two"
		time.Sleep(7 * time.Minute)
		by("one")
		if reads != 1 {
			t.Fatal(reads, "reads")
		}
		time.Sleep(time.Minute)
		by("one") // and another is read behind it
		by("two")
		if reads != 2 {
			t.Fatal(reads, "reads")
		}
		broken = errors.New("gone")
		time.Sleep(8 * time.Minute)
		by("two")
		by("two")
		if reads != 3 { // it failed a moment ago
			t.Fatal(reads, "reads")
		}
		time.Sleep(90 * time.Second)
		by("two")
		time.Sleep(30 * time.Second)
		if _, err := s.Authorize(t.Context(), "POST", "h", "/", nil); !errors.Is(err, aws.ErrNoCredentials) {
			t.Fatal(err)
		}
		broken, now.ID = nil, "three"
		by("three")
	})
}

// TestWaits: a request waits no longer than its context, and not for ever.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		s := signer(t, aws.Config{Region: "us-east-1", Keys: func() (aws.Keys, error) {
			<-end
			return example, nil
		}})
		begun := time.Now()
		if _, err := s.Authorize(t.Context(), "POST", "h", "/", nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 5*time.Second {
			t.Fatal(err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Authorize(ctx, "POST", "h", "/", nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 6*time.Second {
			t.Fatal(err, time.Since(begun))
		}
		close(end)
		synctest.Wait()
		if _, err := s.Authorize(t.Context(), "POST", "h", "/", nil); err != nil {
			t.Fatal(err)
		}
	})
}
