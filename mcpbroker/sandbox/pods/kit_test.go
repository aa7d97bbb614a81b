package pods

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const namespace = "tools"

// cluster is client-go's fake with as much of a kubelet as the tests need: a pod becomes status once its environment is there.
type cluster struct {
	*fake.Clientset
	status core.PodStatus
	mu     sync.Mutex
	pods   []string
}

func newCluster(status core.PodStatus, objects ...runtime.Object) *cluster {
	c := &cluster{Clientset: fake.NewClientset(objects...), status: status}
	c.PrependReactor("create", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
		p := a.(k8stesting.CreateAction).GetObject().(*core.Pod)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pods = append(c.pods, p.Name)
		p.UID = types.UID(fmt.Sprintf("uid-%d", len(c.pods)))
		if !needsSecret(p) {
			p.Status = c.status
		}
		return false, nil, nil
	})
	c.PrependReactor("create", "secrets", func(a k8stesting.Action) (bool, runtime.Object, error) {
		s := a.(k8stesting.CreateAction).GetObject().(*core.Secret)
		return false, nil, c.become(s.Name, c.status)
	})
	return c
}

func needsSecret(p *core.Pod) bool {
	for _, v := range p.Spec.Containers[0].Env {
		if v.ValueFrom != nil {
			return true
		}
	}
	return false
}

// become changes a pod's status.
func (c *cluster) become(name string, status core.PodStatus) error {
	pods := core.SchemeGroupVersion.WithResource("pods")
	o, err := c.Tracker().Get(pods, namespace, name)
	if err != nil {
		return err
	}
	p := o.(*core.Pod).DeepCopy()
	p.Status = status
	return c.Tracker().Update(pods, p, namespace)
}

// done is what was asked of the cluster, as "verb resource".
func (c *cluster) done() []string {
	var out []string
	for _, a := range c.Actions() {
		out = append(out, a.GetVerb()+" "+a.GetResource().Resource)
	}
	return out
}

func (c *cluster) left(t *testing.T) (pods, secrets int) {
	t.Helper()
	p, err := c.CoreV1().Pods(namespace).List(context.Background(), meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.CoreV1().Secrets(namespace).List(context.Background(), meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return len(p.Items), len(s.Items)
}

func status(phase core.PodPhase, state core.ContainerState) core.PodStatus {
	return core.PodStatus{Phase: phase, ContainerStatuses: []core.ContainerStatus{{Name: container, State: state}}}
}

func running() core.PodStatus {
	return status(core.PodRunning, core.ContainerState{Running: &core.ContainerStateRunning{}})
}

func waiting(reason string) core.PodStatus {
	return status(core.PodPending, core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: reason, Message: "SECRET"}})
}

func terminated(reason string, code int32) core.PodStatus {
	phase := core.PodFailed
	if code == 0 {
		phase = core.PodSucceeded
	}
	return status(phase, core.ContainerState{Terminated: &core.ContainerStateTerminated{Reason: reason, ExitCode: code, Message: "SECRET"}})
}

// echo is a server that says each line again, and ends with its input, or when it reads "end". It speaks to people first.
type echo struct{}

func (echo) Stream(remotecommand.StreamOptions) error { panic("without a context") }

func (echo) StreamWithContext(ctx context.Context, o remotecommand.StreamOptions) error {
	over := make(chan error, 1)
	go func() {
		_, _ = io.WriteString(o.Stderr, "hello\n")
		lines := bufio.NewScanner(o.Stdin)
		for lines.Scan() {
			if lines.Text() == "break" {
				over <- fmt.Errorf("the connection was reset")
				return
			}
			if _, err := io.WriteString(o.Stdout, lines.Text()+"\n"); err != nil || lines.Text() == "end" {
				break
			}
		}
		over <- nil
	}()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newTestRunner(t *testing.T, c *cluster, change func(*Config)) (*Runner, *strings.Builder) {
	t.Helper()
	var log strings.Builder
	config := Config{
		Namespace: namespace, Owner: Owner{Namespace: namespace, Name: "broker-0", UID: "owner"},
		Label: func(p string) string { return fmt.Sprintf("mac%d", len(p)) },
		Log:   slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if change != nil {
		change(&config)
	}
	r, err := newRunner(config, c, func(string, string) (remotecommand.Executor, error) { return echo{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return r, &log
}

func server() *sandbox.Server {
	return &sandbox.Server{
		Name: "files", Image: "registry.example.com/mcp/files@sha256:abc", Command: []string{"node", "/opt/x.js", "$(TOKEN)"},
		Env: map[string]string{"TOKEN": "SECRET", "LOG": "debug"}, Claims: []sandbox.Claim{{Name: "docs", Target: "/data"}, {Name: "own", Target: "/work", Writable: true}},
	}
}
