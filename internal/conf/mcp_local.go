package conf

import (
	"reflect"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// MCPLocal is what a server has that is a program: of this machine, or with an image of a cluster.
type MCPLocal struct {
	// Image makes it a pod of the cluster that mcp.kubernetes names, and Command optional.
	Image string `yaml:"image"`
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

// MCPKubernetes is where servers with an image run.
type MCPKubernetes struct {
	// Namespace is theirs; empty is the broker's own, or the one that the kubeconfig is at.
	Namespace string `yaml:"namespace"`
	// Kubeconfig names the cluster and who the broker is there; empty is the cluster that the broker runs in.
	Kubeconfig string `yaml:"kubeconfig" path:"true"`
	// RuntimeClass is that of the pods; empty is the cluster's default.
	RuntimeClass string `yaml:"runtime_class"`
}

// kubernetesName is a name of an object (RFC 1123).
var kubernetesName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Local says that the server is a program that the broker starts.
func (s *MCPServer) Local() bool { return len(s.Command) > 0 || s.Image != "" }

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
	has := "a command"
	if s.Image != "" {
		has = "an image"
	}
	for _, key := range []string{"url", "auth", "private", "ca_file"} {
		if _, written := d.lines[p.with(key).id()]; written {
			d.bad(p.with(key), "is of a remote server, and this one has "+has, "keep one of the two")
		}
	}
	for name, secret := range s.Secrets {
		if _, twice := s.Env[name]; twice {
			d.bad(p.with("secrets").with(name), "stands in env too", "keep one")
		}
		d.readable(p.with("secrets").with(name), secret)
	}
	if len(s.Command) > 0 && s.Command[0] == "" {
		d.bad(p.with("command"), "has an empty name", "write [program, argument]")
	}
	if s.Image != "" {
		d.mcpImage(p, s)
		return
	}
	if s.Sandbox.None {
		d.doubt(p.with("sandbox"), "is none: the server may do all that the broker may, with its files, its network and its keys", "give it a sandbox, such as {network: none}")
	}
	if s.Sandbox.Network == "host" {
		d.doubt(p.with("sandbox").with("network"), "is the host's: the server reaches all that this machine reaches", "write network: none where it can do without")
	}
}

// mcpImage checks what is different of a server that is a pod.
func (d *decoder) mcpImage(p path, s MCPServer) {
	if !strings.Contains(s.Image, "@sha256:") {
		d.doubt(p.with("image"), "is not pinned: what runs is what the registry has by that name on the day", "write it with its digest, name@sha256:...")
	}
	sandbox := p.with("sandbox")
	if s.Sandbox.None {
		d.bad(sandbox, "is none, and a server with an image is a pod: it has no way out of one", "remove it")
		return
	}
	if _, written := d.lines[sandbox.with("pids").id()]; written {
		d.bad(sandbox.with("pids"), "is nothing that a pod can be told", "remove it, and set podPidsLimit of the nodes' kubelet")
	}
	if s.Sandbox.Network == "host" {
		d.doubt(sandbox.with("network"), "lets the pod reach all that a pod of this cluster reaches, other pods and the API server included", "write network: none, and add a NetworkPolicy of your own that allows what it needs")
	}
}

func (d *decoder) mcpKubernetes(p path, k MCPKubernetes) {
	if k.Namespace != "" && !kubernetesName.MatchString(k.Namespace) {
		d.bad(p.with("namespace"), "is no name of a namespace", "use lower-case letters, digits and -")
	}
	if k.RuntimeClass != "" && !kubernetesName.MatchString(k.RuntimeClass) {
		d.bad(p.with("runtime_class"), "is no name of a RuntimeClass", "use lower-case letters, digits and -")
	}
}
