package envoy_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/yellowjack/yellowjack/envoy"
	"github.com/yellowjack/yellowjack/envoy/envoytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// caPlaceholder stands in golden files for the folder of the test's certificates.
const caPlaceholder = "/testdata"

func minimal() envoy.Config {
	return envoy.Config{
		Listen:      "127.0.0.1:10000",
		AdminSocket: "/run/yellowjack/admin.sock",
		ExtProc:     "unix:///run/yellowjack/extproc.sock",
		CAFile:      caPlaceholder + "/ca.pem",
		Providers: []envoy.Provider{
			{Name: "openrouter", Cluster: "provider_openrouter", Scheme: "https", Host: "openrouter.ai"},
		},
	}
}

// goldenConfigs has one entry per golden file.
func goldenConfigs() map[string]envoy.Config {
	full := minimal()
	full.Listen = "0.0.0.0:8443"
	full.ExtProc = "extproc.example.com:9443"
	full.ExtProcTLS = &envoy.ClientTLS{Cert: caPlaceholder + "/client.pem", Key: caPlaceholder + "/client.key", CA: caPlaceholder + "/ca.pem", ServerName: "extproc.internal"}
	full.ClusterHeader = "x-yj-3f9c-cluster"
	full.AccessLog = "/dev/null"
	full.RequestBytes = 1 << 20
	full.MessageTimeout = 2 * time.Second
	full.StreamIdle = 5 * time.Minute
	full.RequestTimeout = 30 * time.Second
	full.HeadersTimeout = 5 * time.Second
	full.Connections = 500
	full.HeapBytes = 1 << 30
	full.Providers = []envoy.Provider{
		{Name: "openai", Cluster: "provider_openai", Scheme: "https", Host: "api.openai.com", Port: 443, ConnectTimeout: 3 * time.Second},
		{Name: "vllm", Cluster: "provider_vllm", Scheme: "https", Host: "10.0.0.7", Port: 8443, CAFile: caPlaceholder + "/ca.pem"},
		{Name: "ollama", Cluster: "provider_ollama", Scheme: "http", Host: "ollama.local", Port: 11434},
		{Name: "mock", Cluster: "provider_mock", Scheme: "http", Host: "::1", Port: 9100},
	}
	loopback := minimal()
	loopback.ExtProc = "tcp://127.0.0.1:9002"
	loopback.AccessLog = "stderr"
	loopback.Providers = nil
	internal := minimal()
	internal.InternalSocket, internal.InternalRequests = "/run/yellowjack/internal.sock", 32
	broker := internal
	broker.Broker = "unix:///run/yellowjack/mcpbroker.sock"
	loopback.Broker = "127.0.0.1:9300"
	return map[string]envoy.Config{"minimal": minimal(), "full": full, "loopback": loopback, "internal": internal, "broker": broker}
}

// TestGolden compares each bootstrap with its file, and has the real Envoy validate exactly what the file says.
func TestGolden(t *testing.T) {
	t.Parallel()
	certificates := newAuthority(t).files(t)
	for name, config := range goldenConfigs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			boot, err := envoy.Bootstrap(config)
			if err != nil {
				t.Fatal(err)
			}
			got, err := envoy.YAML(boot)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs from what is built now (-update rewrites it):\n%s", golden, got)
			}
			validate(t, bytes.ReplaceAll(want, []byte(caPlaceholder+"/"), []byte(certificates+"/")))
		})
	}
}

// validate has the real Envoy load the configuration. A field that Envoy calls deprecated fails the test too.
func validate(t *testing.T, doc []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), envoytest.Binary(t), "--mode", "validate", "--log-level", "warn", "-c", file).CombinedOutput()
	if err != nil {
		t.Fatalf("envoy --mode validate: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "[warning]") && strings.Contains(strings.ToLower(line), "deprecated") {
			t.Errorf("envoy: %s", line)
		}
	}
	if testing.Verbose() {
		t.Logf("%s", out)
	}
}

// TestYAMLIsTheBootstrap holds the two renderings together: what a sidecar gets is what we run ourselves.
func TestYAMLIsTheBootstrap(t *testing.T) {
	t.Parallel()
	boot, err := envoy.Bootstrap(minimal())
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, err := envoy.YAML(boot)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := envoy.JSON(boot)
	if err != nil {
		t.Fatal(err)
	}
	again, err := yaml.JSONToYAML(fromJSON)
	if err != nil {
		t.Fatal(err)
	}
	back, err := yaml.JSONToYAML(asJSON)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back, again) {
		t.Errorf("YAML and JSON differ:\n%s\n%s", back, again)
	}
}

// TestBootstrapRefuses: each of these would not run, or not safely.
func TestBootstrapRefuses(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("d", 103) // 104 bytes
	for name, test := range map[string]struct {
		change func(*envoy.Config)
		want   string
	}{
		"listen":               {func(c *envoy.Config) { c.Listen = "10000" }, "listen"},
		"port":                 {func(c *envoy.Config) { c.Listen = "127.0.0.1:99999" }, "usable port"},
		"no admin":             {func(c *envoy.Config) { c.AdminSocket = "" }, "no socket path"},
		"relative admin":       {func(c *envoy.Config) { c.AdminSocket = "run/admin.sock" }, "not absolute"},
		"long admin":           {func(c *envoy.Config) { c.AdminSocket = long }, "104 bytes long"},
		"long extproc":         {func(c *envoy.Config) { c.ExtProc = "unix://" + long }, "104 bytes long"},
		"extproc path":         {func(c *envoy.Config) { c.ExtProc = "/run/extproc.sock" }, "unix:///path"},
		"plain remote":         {func(c *envoy.Config) { c.ExtProc = "10.1.2.3:9002" }, "mutual TLS"},
		"half TLS":             {func(c *envoy.Config) { c.ExtProc, c.ExtProcTLS = "10.1.2.3:9002", &envoy.ClientTLS{CA: "x"} }, "certificate"},
		"TLS on a socket":      {func(c *envoy.Config) { c.ExtProcTLS = &envoy.ClientTLS{} }, "Unix socket"},
		"access log":           {func(c *envoy.Config) { c.AccessLog = "access.log" }, "access log"},
		"request bytes":        {func(c *envoy.Config) { c.RequestBytes = 2 << 30 }, "1 GiB"},
		"relative internal":    {func(c *envoy.Config) { c.InternalSocket = "run/internal.sock" }, "not absolute"},
		"admin as internal":    {func(c *envoy.Config) { c.InternalSocket = c.AdminSocket }, "another's socket"},
		"extproc as internal":  {func(c *envoy.Config) { c.InternalSocket = strings.TrimPrefix(c.ExtProc, "unix://") }, "another's socket"},
		"the internal guard's": {func(c *envoy.Config) { c.Providers[0].Cluster = "yellowjack_extproc_internal" }, "taken"},
		"cluster taken":        {func(c *envoy.Config) { c.Providers = append(c.Providers, c.Providers[0]) }, "taken"},
		"the guard's cluster":  {func(c *envoy.Config) { c.Providers[0].Cluster = "yellowjack_extproc" }, "taken"},
		"no cluster":           {func(c *envoy.Config) { c.Providers[0].Cluster = "" }, "no cluster"},
		"scheme":               {func(c *envoy.Config) { c.Providers[0].Scheme = "ftp" }, "neither http nor https"},
		"host":                 {func(c *envoy.Config) { c.Providers[0].Host = "user@openrouter.ai" }, "no host name"},
		"provider port":        {func(c *envoy.Config) { c.Providers[0].Port = 70000 }, "port 70000"},
		"CA for http":          {func(c *envoy.Config) { c.Providers[0].Scheme, c.Providers[0].CAFile = "http", "x" }, "plain http"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := minimal()
			test.change(&c)
			if _, err := envoy.Bootstrap(c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}
