package aws_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/upstreamauth/aws"
)

// alone takes everything out of the environment that the chain looks at.
func alone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// signs tells by which keys a request is signed, and for which region.
func signs(t *testing.T, s *aws.Signer) (id, token string) {
	t.Helper()
	got, err := s.Authorize(t.Context(), "POST", "h", "/model/m/converse", nil)
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ = strings.Cut(strings.TrimPrefix(got.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), ", ")
	return id, got.Get("X-Amz-Security-Token")
}

func TestEnvironment(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "ENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "token")
	t.Setenv("AWS_REGION", "eu-west-1")
	s := signer(t, aws.Config{})
	if id, token := signs(t, s); !strings.HasPrefix(id, "ENV/") || !strings.HasSuffix(id, "/eu-west-1/bedrock/aws4_request") || token != "token" || s.Region() != "eu-west-1" {
		t.Error(id, token)
	}
	if s := signer(t, aws.Config{Region: "us-west-2"}); s.Region() != "us-west-2" {
		t.Error(s.Region())
	}
}

func TestProfile(t *testing.T) {
	dir := alone(t)
	write(t, filepath.Join(dir, "config"), "[profile finance]\nregion = ap-south-1\n")
	write(t, filepath.Join(dir, "credentials"), "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = x\n[finance]\naws_access_key_id = FINANCE\naws_secret_access_key = x\n")
	if id, _ := signs(t, signer(t, aws.Config{Profile: "finance"})); !strings.HasPrefix(id, "FINANCE/") || !strings.Contains(id, "/ap-south-1/") {
		t.Error(id)
	}
	if id, _ := signs(t, signer(t, aws.Config{Region: "us-east-1"})); !strings.HasPrefix(id, "DEFAULT/") {
		t.Error(id)
	}
	if _, err := aws.New(t.Context(), aws.Config{Region: "us-east-1", Profile: "nobody"}); !errors.Is(err, aws.ErrNoCredentials) || strings.Contains(err.Error(), dir) {
		t.Error(err)
	}
}

// serve answers as a server of credentials does.
func serve(t *testing.T, answer http.HandlerFunc) (*httptest.Server, *http.Client) {
	t.Helper()
	server := httptest.NewServer(answer)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
	})
	return server, client
}

// TestContainer: the credentials of the container's role, fetched once.
func TestContainer(t *testing.T) {
	alone(t)
	var asked atomic.Int32
	server, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "hush" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"AccessKeyId":"ROLE","SecretAccessKey":"x","Token":"session","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	})
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL+"/role")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hush")
	s := signer(t, aws.Config{Region: "us-east-1", Client: client})
	for range 3 {
		if id, token := signs(t, s); !strings.HasPrefix(id, "ROLE/") || token != "session" {
			t.Error(id, token)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Error(n, "fetches")
	}
}

// TestContainerRefuses: what the server says is no part of the error.
func TestContainerRefuses(t *testing.T) {
	alone(t)
	server, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"code":"hush: no code","message":"hush"}`)
	})
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL+"/role")
	_, err := signer(t, aws.Config{Region: "us-east-1", Client: client}).Authorize(t.Context(), "POST", "h", "/", nil)
	if !errors.Is(err, aws.ErrNoCredentials) || strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
}

// TestWebIdentity: a role is assumed with the token in a file, and a refusal repeats nothing of it.
func TestWebIdentity(t *testing.T) {
	dir := alone(t)
	write(t, filepath.Join(dir, "token"), "hush")
	refuse := false
	server, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("WebIdentityToken") != "hush" || refuse {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>hush is no token</Message></Error></ErrorResponse>`)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>x</SecretAccessKey>`+
			`<SessionToken>session</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	})
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/gateway")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(dir, "token"))
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	if id, token := signs(t, signer(t, aws.Config{Client: client})); !strings.HasPrefix(id, "WEB/") || token != "session" {
		t.Error(id, token)
	}
	refuse = true
	_, err := signer(t, aws.Config{Client: client}).Authorize(t.Context(), "POST", "h", "/", nil)
	if !errors.Is(err, aws.ErrNoCredentials) || strings.Contains(err.Error(), "hush") || !strings.HasSuffix(err.Error(), "InvalidIdentityToken") {
		t.Error(err)
	}
}

func TestNothingFound(t *testing.T) {
	alone(t)
	_, err := signer(t, aws.Config{Region: "us-east-1"}).Authorize(t.Context(), "POST", "h", "/", nil)
	if !errors.Is(err, aws.ErrNoCredentials) {
		t.Error(err)
	}
}
