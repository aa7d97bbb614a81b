package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// localServers is a gateway in front of two real MCP servers that it runs itself, in the sandbox: `everything`, which says what its
// environment is, and `files`, which has one folder to read and one to write.
func localServers(t *testing.T) (g *gateway, data string) {
	t.Helper()
	servers, err := filepath.Abs("../.tools/mcpservers")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(servers); err != nil {
		t.Fatalf("%v; run `make sdks`", err)
	}
	if servers, err = filepath.EvalSymlinks(servers); err != nil {
		t.Fatal(err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	if node, err = filepath.EvalSymlinks(node); err != nil {
		t.Fatal(err)
	}
	bwrap, err := exec.Command("../scripts/bwrap.sh").Output()
	if err != nil {
		t.Skipf("no bwrap here: %v", err)
	}
	sandbox := strings.TrimSpace(string(bwrap))
	if said, err := exec.Command(sandbox, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true").CombinedOutput(); err != nil {
		t.Skipf("this kernel, or this container, forbids what a sandbox is made of: %v: %s", err, said)
	}
	data = t.TempDir()
	for _, folder := range []string{"read", "write"} {
		if err := os.Mkdir(filepath.Join(data, folder), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	// The sandbox's user is nobody, who reads and writes what everybody may.
	for _, p := range []string{filepath.Dir(data), data, filepath.Join(data, "read"), filepath.Join(data, "write")} {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "read", "notes.txt"), []byte("the third quarter"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(data, "read", "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "secret.txt"), []byte("not for the server"), 0o644); err != nil {
		t.Fatal(err)
	}
	tools := ""
	for _, name := range []string{
		"everything__get-env", "everything__echo", "everything__trigger-elicitation-request", "everything__trigger-long-running-operation",
		"files__read_text_file", "files__write_file", "files__list_directory", "broken__x",
	} {
		tools += name + `: {allow: ["*"], effect: read}` + "\n"
	}
	mount := fmt.Sprintf("%q", servers+":/srv/mcp:ro")
	program := ""
	if !strings.HasPrefix(node, "/usr/") && !strings.HasPrefix(node, "/opt/") {
		program = fmt.Sprintf(", %q", filepath.Dir(node)+":/srv/node:ro")
		node = "/srv/node/" + filepath.Base(node)
	}
	g = own(t, setup{
		env:   []string{"BROKER_SECRET=of-the-broker-alone", "MCP_TOKEN=of-the-server", "YELLOWJACK_BWRAP=" + sandbox},
		tools: tools,
		more: fmt.Sprintf(`mcp:
  servers:
    everything: {command: [%[1]s, /srv/mcp/node_modules/@modelcontextprotocol/server-everything/dist/index.js], env: {GREETING: hello}, secrets: {TOKEN: {env: MCP_TOKEN}}, sandbox: {mounts: [%[2]s%[3]s]}}
    files: {command: [%[1]s, /srv/mcp/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js, /read, /write], sandbox: {mounts: [%[2]s%[3]s, %[4]q, %[5]q]}}
    broken: {command: [no-such-program]}
`, node, mount, program, filepath.Join(data, "read")+":/read", filepath.Join(data, "write")+":/write:rw"),
	})
	return g, data
}

// TestLocalServers: the real servers work behind the broker, for clients of both eras, and see nothing but what they were given.
func TestLocalServers(t *testing.T) {
	g, data := localServers(t)
	for _, version := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(version, func(t *testing.T) {
			c := connect(t, g, sara(t), "/mcp", version)
			if got := c.tools(t); !strings.Contains(got, "everything__echo everything__get-env") || !strings.Contains(got, "files__read_text_file") || strings.Contains(got, "broken") {
				t.Errorf("she sees %s", got)
			}
			if got, err := c.call(t, "everything__echo", object{"message": "ahoy"}); err != nil || !strings.Contains(got, "ahoy") {
				t.Errorf("%q %v", got, err)
			}
			env, err := c.call(t, "everything__get-env", object{})
			if err != nil || !strings.Contains(env, `"GREETING": "hello"`) || !strings.Contains(env, `"TOKEN": "of-the-server"`) {
				t.Errorf("its environment: %q %v", env, err)
			}
			if strings.Contains(env, "of-the-broker-alone") || strings.Contains(env, "MCP_TOKEN") {
				t.Errorf("the broker's environment is the server's: %s", env)
			}
			if got, err := c.call(t, "files__read_text_file", object{"path": "/read/notes.txt"}); err != nil || got != "the third quarter" {
				t.Errorf("%q %v", got, err)
			}
			if got, err := c.call(t, "files__write_file", object{"path": "/write/" + version, "content": "x"}); err != nil || strings.HasPrefix(got, "error") {
				t.Errorf("%q %v", got, err)
			}
			if b, err := os.ReadFile(filepath.Join(data, "write", version)); err != nil || string(b) != "x" {
				t.Errorf("what was written: %q %v", b, err)
			}
			for path, tool := range map[string]string{
				"/read/x": "files__write_file", "/read/out": "files__read_text_file", "/etc/hostname": "files__read_text_file",
				filepath.Join(data, "secret.txt"): "files__read_text_file",
			} {
				if got, err := c.call(t, tool, object{"path": path, "content": "x"}); err == nil && !strings.HasPrefix(got, "error") {
					t.Errorf("%s %s: %q", tool, path, got)
				}
			}
			if _, err := os.Stat(filepath.Join(data, "read", "x")); err == nil {
				t.Error("a folder that is mounted for reading is written")
			}
			if got, err := c.call(t, "everything__trigger-elicitation-request", object{}); err != nil || !strings.Contains(got, "accept") {
				t.Errorf("it asks the person: %q %v", got, err)
			}
		})
	}
	if log := g.guard.stderr.String(); strings.Contains(log, "of-the-server") {
		t.Error("the log has the server's secret")
	}
}

// TestLocalServerEnds: a process that is killed fails no more than the calls that it had; each principal has one of its own; all end with
// the gateway.
func TestLocalServerEnds(t *testing.T) {
	g, _ := localServers(t)
	c, other := connect(t, g, sara(t), "/mcp", ""), connect(t, g, mona(t), "/mcp", "")
	for _, who := range []*toolClient{c, other} {
		if got, err := who.call(t, "everything__echo", object{"message": "ahoy"}); err != nil || !strings.Contains(got, "ahoy") {
			t.Fatalf("%q %v", got, err)
		}
	}
	before := sandboxed(t, g, "server-everything")
	if len(before) != 3 { // each principal's, and that of the lists, which are asked for with other capabilities
		t.Fatalf("%d processes for two principals", len(before))
	}
	failed := make(chan error, 1)
	go func() {
		_, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "everything__trigger-long-running-operation", Arguments: object{"duration": 60, "steps": 2}})
		failed <- err
	}()
	for _, pid := range before {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	eventually(t, "the end of the servers", func() bool { return len(sandboxed(t, g, "server-everything")) == 0 })
	eventually(t, "another process", func() bool {
		got, err := c.call(t, "everything__echo", object{"message": "again"})
		return err == nil && strings.Contains(got, "again")
	})
	select {
	case <-failed: // as an error, or as a result that is one; what matters is that it is over
	case <-t.Context().Done():
		t.Error("a call waits for a process that is gone")
	}
	g.end()
	if left := sandboxed(t, g, "mcpservers"); len(left) > 0 {
		t.Errorf("processes outlive the gateway: %v", left)
	}
}

// sandboxed are the node processes below a gateway that run a server.
func sandboxed(t *testing.T, g *gateway, server string) []int {
	t.Helper()
	parents := map[int]int{}
	lines := map[int]string{}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		var pid, parent int
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		text := string(stat)
		if _, err := fmt.Sscan(text, &pid); err != nil {
			continue
		}
		var state string
		if _, err := fmt.Sscan(text[strings.LastIndexByte(text, ')')+1:], &state, &parent); err != nil || state == "Z" {
			continue
		}
		parents[pid] = parent
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		lines[pid] = string(line)
	}
	var out []int
	for pid, line := range lines {
		if program, _, _ := strings.Cut(line, "\x00"); filepath.Base(program) != "node" || !strings.Contains(line, server) {
			continue
		}
		for up := pid; up > 1; up = parents[up] {
			if up == g.guard.cmd.Process.Pid {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}
