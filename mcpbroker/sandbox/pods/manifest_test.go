package pods

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	rbac "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestManifests shows all that is made, as kubectl would. No value of the environment and no name of a person is in a pod.
func TestManifests(t *testing.T) {
	c := newCluster(running())
	r, _ := newTestRunner(t, c, nil)
	granted := server()
	granted.Network = sandbox.HostNetwork
	const random = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	pod := r.pod(server(), sara, random)
	apart, _ := newTestRunner(t, c, func(c *Config) { c.Owner.Namespace, c.RuntimeClass, c.Deadline = "elsewhere", "gvisor", time.Hour })
	plain := apart.pod(&sandbox.Server{Name: "plain", Image: "i", Limits: sandbox.Limits{CPU: 0.01, Memory: 32 << 20, Tmp: 1 << 20}}, "", random)
	for name, o := range map[string]any{
		"pod": pod, "pod-apart": plain, "secret": environment(server(), pod), "policy-none": r.policy(server()), "policy-host": r.policy(granted),
	} {
		b, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if name != "secret" && (strings.Contains(string(b), "SECRET") || strings.Contains(string(b), "debug")) || strings.Contains(string(b), "sara") {
			t.Errorf("%s tells what it must not:\n%s", name, b)
		}
		file := filepath.Join("testdata", name+".yaml")
		if *update {
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != string(b) {
			t.Errorf("%s: %v\n%s", file, err, b)
		}
	}
}

// TestRole holds the documented Role and what is asked of the cluster together: it allows that, and nothing else.
func TestRole(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(doc), "    apiVersion: rbac.authorization.k8s.io/v1\n")
	if !ok {
		t.Fatal("there is no Role in the documentation")
	}
	text, _, _ = strings.Cut(text, "\n\n")
	var role rbac.Role
	if err := yaml.UnmarshalStrict([]byte(text), &role); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				allowed[strings.Join(append(rule.APIGroups, resource, verb), " ")] = true
			}
		}
	}
	// client-go's fake has no attach: WebSocket is a get of it, SPDY a create.
	needed := map[string]bool{" pods/attach get": true, " pods/attach create": true}
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(running())
		r, _ := newTestRunner(t, c, nil)
		for _, network := range []sandbox.Network{sandbox.NoNetwork, sandbox.HostNetwork} {
			s := server()
			s.Network = network
			changed := r.policy(s)
			changed.Spec.PolicyTypes = nil
			if network == sandbox.HostNetwork {
				must(t, c.Tracker().Add(changed))
			}
			p, err := r.Start(t.Context(), s, sara)
			must(t, err)
			p.Kill()
			<-p.Done()
		}
		for _, a := range c.Actions() {
			needed[a.GetResource().Group+" "+a.GetResource().Resource+" "+a.GetVerb()] = true
		}
	})
	if !maps.Equal(allowed, needed) {
		t.Errorf("the Role allows %v\nneeded is %v", slices.Sorted(maps.Keys(allowed)), slices.Sorted(maps.Keys(needed)))
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sandbox.Server)
		fails  string
	}{
		"fine":        {func(*sandbox.Server) {}, ""},
		"own command": {func(s *sandbox.Server) { s.Command = nil }, ""},
		"no image":    {func(s *sandbox.Server) { s.Image, s.Claims = "", nil }, "no image"},
		"name":        {func(s *sandbox.Server) { s.Name = "Files" }, "lower-case"},
		"name's end":  {func(s *sandbox.Server) { s.Name = "files-" }, "lower-case"},
		"host path":   {func(s *sandbox.Server) { s.Mounts = []sandbox.Mount{{Source: "/a", Target: "/b"}} }, "nothing of this machine"},
		"its tmp":     {func(s *sandbox.Server) { s.Claims[0].Target = "/tmp" }, "folder of its own"},
		"unsandboxed": {func(s *sandbox.Server) { s.Unsandboxed = true }, "leaves no place"},
		"npx":         {func(s *sandbox.Server) { s.Command[0] = "npx" }, "install the server ahead"},
	} {
		s := server()
		c.change(s)
		if err := Check(s); c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
