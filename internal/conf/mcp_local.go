package conf

import (
	"reflect"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// MCPLocal is what a server has that is a program of this machine.
type MCPLocal struct {
	// Command is the program and its arguments, as it is called inside the sandbox.
	Command []string `yaml:"command"`
	// Env is its environment, with Secrets: nothing of the broker's own goes there.
	Env     map[string]string `yaml:"env"`
	Secrets map[string]Secret `yaml:"secrets"`
	Sandbox MCPSandbox        `yaml:"sandbox"`
	// Idle is how long a process stays that nobody calls.
	Idle time.Duration `yaml:"idle"`
	// Processes is how many there are at most: each principal has one of its own.
	Processes int `yaml:"processes" min:"1" max:"10000"`
}

// MCPSandbox is what a local server may see and use. `sandbox: none` is a server without one.
type MCPSandbox struct {
	None bool `yaml:"-"`
	// Mounts are "source:target", with :ro or :rw behind it; a relative source is relative to the configuration.
	Mounts []string `yaml:"mounts"`
	// Network is none, or host: all that the machine reaches.
	Network string `yaml:"network" enum:"none,host"`
	// Memory of all its processes, Tmp in each of /tmp, /dev/shm and its home.
	Memory Bytes `yaml:"memory" min:"16777216" max:"1099511627776"`
	Tmp    Bytes `yaml:"tmp" min:"4096" max:"1099511627776"`
	// PIDs are processes and threads.
	PIDs int `yaml:"pids" min:"4" max:"1000000"`
	// CPU is in thousandths of a core.
	CPU int `yaml:"cpu_millis" min:"10" max:"1000000"`
}

func (l *MCPLocal) defaults() {
	l.Idle = 5 * time.Minute
	l.Processes = 64
	l.Sandbox = MCPSandbox{Network: "none", Memory: 512 << 20, Tmp: 64 << 20, PIDs: 128, CPU: 1000}
}

// Local says that the server is a program of this machine.
func (s *MCPServer) Local() bool { return len(s.Command) > 0 }

var sandboxType = reflect.TypeFor[MCPSandbox]()

// sandbox decodes the word none, or what the sandbox has.
func (d *decoder) sandbox(n *yaml.Node, p path, v reflect.Value, depth int) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value == "none" {
		v.Set(reflect.ValueOf(MCPSandbox{None: true}))
		return
	}
	if n.Kind == yaml.ScalarNode && !d.isEmpty(n) {
		d.fail(n.Line, p, "is neither none nor a mapping", "write sandbox: none for a server that is to have no sandbox, or what the sandbox has, such as {network: none}")
		return
	}
	d.structure(n, p, v, depth)
}

// mcpLocal checks a server with a command, and that one without has nothing of it.
func (d *decoder) mcpLocal(p path, s MCPServer) {
	if !s.Local() {
		for _, key := range []string{"env", "secrets", "sandbox", "idle", "processes"} {
			if _, written := d.lines[p.with(key).id()]; written {
				d.bad(p.with(key), "is of a local server, and this one has no command", "remove it, or add command: [program, argument]")
			}
		}
		return
	}
	for _, key := range []string{"url", "auth", "private", "ca_file"} {
		if _, written := d.lines[p.with(key).id()]; written {
			d.bad(p.with(key), "is of a remote server, and this one has a command", "keep one of the two")
		}
	}
	for name, secret := range s.Secrets {
		if _, twice := s.Env[name]; twice {
			d.bad(p.with("secrets").with(name), "stands in env too", "keep one")
		}
		d.readable(p.with("secrets").with(name), secret)
	}
	if slices.Contains(s.Command, "") && s.Command[0] == "" {
		d.bad(p.with("command"), "has an empty name", "write [program, argument]")
	}
	if s.Sandbox.None {
		d.doubt(p.with("sandbox"), "is none: the server may do all that the broker may, with its files, its network and its keys", "give it a sandbox, such as {network: none}")
	}
	if s.Sandbox.Network == "host" {
		d.doubt(p.with("sandbox").with("network"), "is the host's: the server reaches all that this machine reaches", "write network: none where it can do without")
	}
}
