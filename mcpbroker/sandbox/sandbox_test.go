package sandbox

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestParseMount(t *testing.T) {
	base := t.TempDir()
	base, err := filepath.EvalSymlinks(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(base, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("data", filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(base, "data")
	for _, c := range []struct {
		text  string
		want  Mount
		fails string
	}{
		{"./data:/data:ro", Mount{Source: data, Target: "/data"}, ""},
		{"data:/data", Mount{Source: data, Target: "/data"}, ""},
		{data + ":/data:rw", Mount{Source: data, Target: "/data", Writable: true}, ""},
		{"link:/data", Mount{Source: data, Target: "/data"}, ""},
		{"data", Mount{}, "is not source:target"},
		{"data:/data:rx", Mount{}, "is not source:target"},
		{"data:/data:ro:x", Mount{}, "is not source:target"},
		{":/data", Mount{}, "no source"},
		{"nothing:/data", Mount{}, "no such file"},
		{"data:data", Mount{}, "no clean absolute path"},
		{"data:/a/../b", Mount{}, "no clean absolute path"},
		{"data:/", Mount{}, "no clean absolute path"},
		{"data:/usr/share/x", Mount{}, "nothing is mounted at /usr"},
		{"data:/etc", Mount{}, "nothing is mounted at /etc"},
		{"data:/proc/1", Mount{}, "nothing is mounted at /proc"},
		{"/:/all", Mount{}, "whole file system"},
		{"/proc:/all", Mount{}, "/proc is not mounted"},
		{"/dev/null:/all", Mount{}, "/dev is not mounted"},
	} {
		m, err := ParseMount(c.text, base)
		if c.fails == "" && (err != nil || m != c.want) || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %+v %v", c.text, m, err)
		}
	}
}

func TestParseClaim(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  Claim
		fails string
	}{
		{"claim:docs:/data", Claim{Name: "docs", Target: "/data"}, ""},
		{"claim:docs:/data:ro", Claim{Name: "docs", Target: "/data"}, ""},
		{"claim:docs:/data:rw", Claim{Name: "docs", Target: "/data", Writable: true}, ""},
		{"./data:/data:ro", Claim{}, "a path of this machine"},
		{"/etc:/data", Claim{}, "a path of this machine"},
		{"claim:docs", Claim{}, "is not claim:name:target"},
		{"claim:docs:/data:rx", Claim{}, "is not claim:name:target"},
		{"claim:../x:/data", Claim{}, "no name of a volume claim"},
		{"claim::/data", Claim{}, "no name of a volume claim"},
		{"claim:docs:data", Claim{}, "no clean absolute path"},
		{"claim:docs:/proc/x", Claim{}, "nothing is mounted at /proc"},
	} {
		got, err := ParseClaim(c.text)
		if c.fails == "" && (err != nil || got != c.want) || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %+v %v", c.text, got, err)
		}
	}
}

func TestCheck(t *testing.T) {
	fine := func() Server { return Server{Name: "files", Command: []string{"node", "/opt/x.js"}} }
	for name, c := range map[string]struct {
		change func(*Server)
		fails  string
	}{
		"fine":             {func(*Server) {}, ""},
		"name":             {func(s *Server) { s.Name = "../x" }, "in its name"},
		"no command":       {func(s *Server) { s.Command = nil }, "no command"},
		"relative":         {func(s *Server) { s.Command[0] = "./x" }, "relative path"},
		"zero byte":        {func(s *Server) { s.Command[1] = "a\x00--bind" }, "zero byte"},
		"npx":              {func(s *Server) { s.Command[0] = "npx" }, "install the server ahead"},
		"npx by path":      {func(s *Server) { s.Command[0] = "/usr/bin/npx" }, "install the server ahead"},
		"uvx":              {func(s *Server) { s.Command[0] = "uvx" }, "install the server ahead"},
		"environment":      {func(s *Server) { s.Env = map[string]string{"A=B": "c"} }, "environment variable"},
		"environment zero": {func(s *Server) { s.Env = map[string]string{"A": "c\x00--share-net"} }, "environment variable"},
		"network":          {func(s *Server) { s.Network = "bridge" }, "network is"},
		"granted":          {func(s *Server) { s.Network = HostNetwork }, ""},
		"little memory":    {func(s *Server) { s.Limits.Memory = 1 }, "too small"},
		"no cpu":           {func(s *Server) { s.Limits.CPU = -1 }, "too small"},
		"two at one place": {func(s *Server) { s.Mounts = []Mount{{Source: "/a", Target: "/x"}, {Source: "/b", Target: "/x"}} }, "two mounts"},
		"below writable": {func(s *Server) {
			s.Mounts = []Mount{{Source: "/a/b", Target: "/y"}, {Source: "/a", Target: "/x", Writable: true}}
		}, "which the server can write"},
		"below readable": {func(s *Server) {
			s.Mounts = []Mount{{Source: "/a/b", Target: "/y", Writable: true}, {Source: "/a", Target: "/x"}}
		}, ""},
		"not clean":      {func(s *Server) { s.Mounts = []Mount{{Source: "/a/../b", Target: "/y"}} }, "no clean absolute path"},
		"image":          {func(s *Server) { s.Image, s.Command = "registry.example.com/x@sha256:0", nil }, ""},
		"odd image":      {func(s *Server) { s.Image = "x y" }, "no name of one"},
		"image and host": {func(s *Server) { s.Image, s.Mounts = "x", []Mount{{Source: "/a", Target: "/x"}} }, "nothing of this machine"},
		"two claims": {func(s *Server) {
			s.Image, s.Claims = "x", []Claim{{Name: "a", Target: "/x"}, {Name: "b", Target: "/x"}}
		}, "two mounts"},
		"claim alone":    {func(s *Server) { s.Claims = []Claim{{Name: "a", Target: "/x"}} }, "with an image"},
		"image and none": {func(s *Server) { s.Image, s.Unsandboxed = "x", true }, "leaves no place"},
		"none":           {func(s *Server) { s.Unsandboxed = true }, ""},
		"none with more": {func(s *Server) { s.Unsandboxed, s.Network = true, NoNetwork }, "leaves no place"},
	} {
		s := fine()
		c.change(&s)
		if err := s.Check(); c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestArguments holds what bwrap is told, as a person can read it.
func TestArguments(t *testing.T) {
	host := hostFiles{
		link: func(p string) (string, bool) {
			return "usr" + p, p == "/bin" || p == "/lib" || p == "/lib64" || p == "/sbin"
		},
		exists: func(p string) bool { return p == "/proc/keys" || p == "/proc/kcore" },
	}
	for name, s := range map[string]*Server{
		"plain": {Name: "files", Command: []string{"node"}},
		"granted": {
			Name: "files", Command: []string{"node"}, Network: HostNetwork, Env: map[string]string{"TOKEN": "--bind"}, Limits: Limits{Tmp: 1 << 20},
			Mounts: []Mount{{Source: "/srv/b", Target: "/data/b"}, {Source: "/srv/a", Target: "/data", Writable: true}},
		},
	} {
		var text strings.Builder
		for i, a := range arguments(s, host) {
			switch {
			case strings.HasPrefix(a, "--") && i > 0 && !strings.HasSuffix(text.String(), "TOKEN"):
				text.WriteString("\n")
			case i > 0:
				text.WriteString(" ")
			}
			text.WriteString(a)
		}
		golden := filepath.Join("testdata", "arguments-"+name+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(text.String()+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != text.String()+"\n" {
			t.Errorf("%s (-update rewrites it): %v\n%s", golden, err, text.String())
		}
	}
}

func TestFindCommand(t *testing.T) {
	host := hostFiles{exists: func(p string) bool { return p == "/usr/bin/node" || p == "/root/bin/own" }}
	for command, found := range map[string]bool{
		"node": true, "own": false, "/usr/local/bin/x": true, "/opt/x/server": true, "/root/bin/own": false, "/tools/x": true, "/toolsx": false,
	} {
		s := &Server{Command: []string{command}, Mounts: []Mount{{Source: "/srv", Target: "/tools"}}}
		if got := findCommand(s, host); got != found {
			t.Errorf("%s: %v", command, got)
		}
	}
	if !findCommand(&Server{Command: []string{"x"}, Env: map[string]string{"PATH": "/tools"}, Mounts: []Mount{{Target: "/tools"}}}, host) {
		t.Error("a PATH of its own")
	}
}

func TestCgroupBases(t *testing.T) {
	v2 := t.TempDir()
	if err := os.MkdirAll(filepath.Join(v2, "own/broker"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v2, "own/broker/cgroup.controllers"), []byte("cpuset cpu io memory pids\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const v1mounts = `31 30 0:26 / /cg/memory rw shared:9 - cgroup cgroup rw,memory
32 30 0:27 /docker/x /cg/pids rw - cgroup cgroup rw,pids
33 30 0:28 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 30 0:29 / /cg/unified rw - cgroup2 cgroup2 rw
`
	for name, c := range map[string]struct {
		mounts, own string
		version     int
		memory      string
		pids, cpu   string
	}{
		"version 2":        {"30 1 0:25 / " + v2 + " rw - cgroup2 cgroup2 rw\n", "0::/own/broker\n", 2, v2 + "/own/broker", v2 + "/own/broker", v2 + "/own/broker"},
		"version 1":        {v1mounts, "3:cpu,cpuacct:/a\n2:pids:/docker/x/b\n1:memory:/c/d\n0::/\n", 1, "/cg/memory/c/d", "/cg/pids/b", "/cg/cpu,cpuacct/a"},
		"none":             {"34 30 0:29 / /cg/unified rw - cgroup2 cgroup2 rw\n", "0::/\n", 0, "", "", ""},
		"some":             {strings.SplitAfter(v1mounts, "\n")[0], "1:memory:/\n", 0, "", "", ""},
		"a line cut short": {"31 30\n- cgroup\n", "x\n", 0, "", "", ""},
	} {
		version, bases, err := cgroupBases([]byte(c.mounts), []byte(c.own))
		if version != c.version || (err == nil) != (c.version > 0) || bases["memory"] != c.memory || bases["pids"] != c.pids || bases["cpu"] != c.cpu {
			t.Errorf("%s: %d %v %v", name, version, bases, err)
		}
	}
}

// TestCgroup2 plays a broker that may make control groups of version 2: by files, where the kernel here has none to test on.
func TestCgroup2(t *testing.T) {
	dir := t.TempDir()
	g := &cgroups{version: 2, parents: map[string]string{"memory": dir, "pids": dir, "cpu": dir}}
	release, err := g.put("files", Limits{Memory: 1 << 20, PIDs: 7, CPU: 0.5}, 42)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"memory.max": "1048576", "pids.max": "7", "cpu.max": "50000 100000", "cgroup.procs": "42"} {
		if got, err := os.ReadFile(filepath.Join(dir, "files-1", file)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", file, got, err)
		}
		_ = os.Remove(filepath.Join(dir, "files-1", file))
	}
	release()
	if exists(filepath.Join(dir, "files-1")) {
		t.Error("it stays")
	}
	// The broker alone is in its group: it steps down, and hands its controllers on.
	if err := delegate(dir); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); string(got) != "+memory +pids +cpu" {
		t.Errorf("%s", got)
	}
}
