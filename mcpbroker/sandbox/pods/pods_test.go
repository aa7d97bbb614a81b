package pods

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

const sara = "https://idp.example.com|sara@example.com"

// TestStart holds the order: the policy before the pod, the Secret for the start alone, and nothing left but the policy.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(running())
		r, _ := newTestRunner(t, c, nil)
		p, err := r.Start(t.Context(), server(), sara)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"get networkpolicies", "create networkpolicies", "create pods", "create secrets", "watch pods", "get pods", "delete secrets"}
		if got := c.done(); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("done: %q", got)
		}
		line, err := bufio.NewReader(p.Stderr).ReadString('\n')
		if err != nil || line != "hello\n" {
			t.Errorf("stderr: %q %v", line, err)
		}
		if _, err := io.WriteString(p.Stdin, "{}\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(p.Stdout).ReadString('\n'); err != nil || line != "{}\n" {
			t.Errorf("stdout: %q %v", line, err)
		}
		if pods, secrets := c.left(t); pods != 1 || secrets != 0 {
			t.Errorf("%d pods and %d Secrets while it runs", pods, secrets)
		}
		p.Kill()
		if err := p.Err(); !errors.Is(err, errKilled) {
			t.Errorf("ended: %v", err)
		}
		if _, err := p.Stdout.Read(make([]byte, 1)); err == nil {
			t.Error("stdout goes on")
		}
		if pods, _ := c.left(t); pods != 0 {
			t.Errorf("%d pods are left", pods)
		}
		other, err := r.Start(t.Context(), server(), "bob") // another principal's is another pod
		if err != nil {
			t.Fatal(err)
		}
		if len(c.pods) != 2 || c.pods[0] == c.pods[1] {
			t.Errorf("pods: %q", c.pods)
		}
		other.Kill()
		<-other.Done()
	})
}

// TestEnds is every way in which a process ends by itself. The pod is deleted in each.
func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, c *cluster, p *sandbox.Process)
		want string
	}{
		"well": {func(t *testing.T, c *cluster, p *sandbox.Process) {
			_, _ = io.WriteString(p.Stdin, "end\n")
			must(t, c.become(c.pods[0], terminated("Completed", 0)))
		}, ""},
		"badly": {func(t *testing.T, c *cluster, p *sandbox.Process) {
			must(t, c.become(c.pods[0], terminated("Error", 3)))
		}, "Error, exit status 3"},
		"memory": {func(t *testing.T, c *cluster, p *sandbox.Process) {
			must(t, c.become(c.pods[0], terminated("OOMKilled", 137)))
		}, "more memory than it may"},
		"evicted": {func(t *testing.T, c *cluster, p *sandbox.Process) {
			must(t, c.become(c.pods[0], core.PodStatus{Phase: core.PodFailed, Reason: "Evicted", Message: "SECRET"}))
		}, "Evicted"},
		"odd reason": {func(t *testing.T, c *cluster, p *sandbox.Process) {
			must(t, c.become(c.pods[0], terminated("a SECRET reason", 1)))
		}, "Unknown, exit status 1"},
		"deleted": {func(t *testing.T, c *cluster, p *sandbox.Process) {
			must(t, c.CoreV1().Pods(namespace).Delete(t.Context(), c.pods[0], meta.DeleteOptions{}))
		}, "was deleted"},
		"stream broken": {func(t *testing.T, c *cluster, p *sandbox.Process) {
			_, _ = io.WriteString(p.Stdin, "break\n")
		}, "the stream to its pod broke: the connection was reset"},
		"streams closed": {func(t *testing.T, c *cluster, p *sandbox.Process) {
			_ = p.Stdin.Close()
		}, "closed its streams and went on"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(running())
				r, _ := newTestRunner(t, cl, nil)
				p, err := r.Start(t.Context(), server(), sara)
				if err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = io.Copy(io.Discard, p.Stderr) }()
				said := make(chan string, 1)
				go func() {
					all, _ := io.ReadAll(p.Stdout)
					said <- string(all)
				}()
				synctest.Wait()
				c.end(t, cl, p)
				err = p.Err()
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) || strings.Contains(errText(err), "SECRET") {
					t.Errorf("ended: %v", err)
				}
				if all := <-said; name == "well" && all != "end\n" {
					t.Errorf("its last words: %q", all)
				}
				if pods, secrets := cl.left(t); pods+secrets != 0 {
					t.Errorf("%d pods and %d Secrets are left", pods, secrets)
				}
				p.Kill() // late, and again
				p.Kill()
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestNotStarted is every way in which none comes to run: it says why, in no word of the program's, and leaves nothing.
func TestNotStarted(t *testing.T) {
	refuse := func(verb, resource string) func(*cluster) {
		return func(c *cluster) {
			c.PrependReactor(verb, resource, func(k8stesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "x", errors.New("quoting SECRET"))
			})
		}
	}
	unscheduled := core.PodStatus{Phase: core.PodPending, Conditions: []core.PodCondition{{Type: core.PodScheduled, Status: core.ConditionFalse, Reason: "Unschedulable", Message: "SECRET"}}}
	for name, c := range map[string]struct {
		status core.PodStatus
		change func(*cluster)
		want   string
		late   bool
		pods   int // made at all
	}{
		"image":         {waiting("ImagePullBackOff"), nil, "its image cannot be pulled (ImagePullBackOff)", false, 1},
		"command":       {waiting("RunContainerError"), nil, "its command cannot be started", false, 1},
		"memory":        {terminated("OOMKilled", 137), nil, "more memory than it may", false, 1},
		"ends at once":  {terminated("Completed", 0), nil, "ended as soon as it ran", false, 1},
		"pulls":         {waiting("ErrImagePull"), nil, "does not run in time; it waits: ErrImagePull", true, 1},
		"no place":      {unscheduled, nil, "it cannot be scheduled: Unschedulable", true, 1},
		"odd":           {waiting("a SECRET reason"), nil, "it waits: Unknown", true, 1},
		"no policy":     {running(), refuse("create", "networkpolicies"), "its NetworkPolicy, without which it is not started", false, 0},
		"policy unread": {running(), refuse("get", "networkpolicies"), "its NetworkPolicy, without which it is not started", false, 0},
		"no pod":        {running(), refuse("create", "pods"), "its pod: ", false, 0},
		"no Secret":     {running(), refuse("create", "secrets"), "the Secret with its environment: Forbidden", false, 1},
		"Secret stays":  {running(), refuse("delete", "secrets"), "the Secret with its environment stays", false, 1},
		"no watch": {running(), func(c *cluster) {
			c.PrependWatchReactor("pods", k8stesting.DefaultWatchReactor(nil, errors.New("away")))
		}, "does not run in time", true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(c.status)
				r, _ := newTestRunner(t, cl, nil)
				if c.change != nil {
					c.change(cl)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				p, err := r.Start(ctx, server(), sara)
				if p != nil || err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v %v", p, err)
				}
				if quoted := strings.Contains(err.Error(), "SECRET"); quoted && !strings.Contains(err.Error(), "quoting SECRET") || quoted && name == "no Secret" {
					t.Errorf("it quotes: %v", err)
				}
				if late := errors.Is(err, context.DeadlineExceeded); late != c.late {
					t.Errorf("late is %v: %v", late, err)
				}
				made := 0
				for _, d := range cl.done() {
					if d == "create secrets" {
						made = 1
					}
				}
				if made != c.pods {
					t.Errorf("done: %q", cl.done())
				}
				if pods, _ := cl.left(t); pods != 0 {
					t.Errorf("%d pods are left", pods)
				}
			})
		})
	}
}

// TestAttachFails is a stream that cannot be made.
func TestAttachFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(running())
		r, _ := newTestRunner(t, c, nil)
		r.attach = func(string, string) (remotecommand.Executor, error) { return nil, errors.New("no upgrade") }
		p, err := r.Start(t.Context(), server(), sara)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(p.Stdin, "{}\n"); err == nil {
			t.Error("it takes what nobody reads")
		}
		if err := p.Err(); err == nil || !strings.Contains(err.Error(), "no upgrade") {
			t.Errorf("ended: %v", err)
		}
	})
}

// TestFence: a policy that somebody changed is put back before the next pod.
func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(waiting("ImagePullBackOff"))
		r, log := newTestRunner(t, c, nil)
		open := r.policy(server())
		open.Spec.PolicyTypes = open.Spec.PolicyTypes[:1]
		all := c.NetworkingV1().NetworkPolicies(namespace)
		if _, err := all.Create(t.Context(), open, meta.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		_, _ = r.Start(t.Context(), server(), sara)
		got, err := all.Get(t.Context(), open.Name, meta.GetOptions{})
		if err != nil || !same(got, r.policy(server())) {
			t.Errorf("%+v %v", got, err)
		}
		if !strings.Contains(log.String(), "written anew") {
			t.Errorf("log: %s", log)
		}
		before := len(c.done())
		_, _ = r.Start(t.Context(), server(), sara)
		if done := c.done()[before:]; slices.Contains(done, "update networkpolicies") || slices.Contains(done, "create networkpolicies") {
			t.Errorf("done: %q", done)
		}
	})
}

// TestUndeletable is a cluster that takes no pod away: the process ends for its caller, and the log says what is left.
func TestUndeletable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(running())
		r, log := newTestRunner(t, c, nil)
		c.PrependReactor("delete", "pods", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("away") })
		p, err := r.Start(t.Context(), server(), sara)
		if err != nil {
			t.Fatal(err)
		}
		p.Kill()
		if err := p.Err(); !errors.Is(err, errKilled) || !strings.Contains(log.String(), "ends at its deadline") {
			t.Errorf("%v; log: %s", err, log)
		}
	})
}

// late says something half a second after its pod has ended.
type late struct{ echo }

func (late) StreamWithContext(ctx context.Context, o remotecommand.StreamOptions) error {
	if !sleep(ctx, 500*time.Millisecond) {
		return ctx.Err()
	}
	_, err := io.WriteString(o.Stdout, "last\n")
	return err
}

// TestLastWords: what a server said before it ended arrives, though the cluster knows of its end first.
func TestLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(running())
		r, _ := newTestRunner(t, c, nil)
		r.attach = func(string, string) (remotecommand.Executor, error) { return late{}, nil }
		p, err := r.Start(t.Context(), server(), sara)
		must(t, err)
		must(t, c.become(c.pods[0], terminated("Completed", 0)))
		if all, err := io.ReadAll(p.Stdout); err != nil || string(all) != "last\n" {
			t.Errorf("%q %v", all, err)
		}
		if err := p.Err(); err != nil {
			t.Error(err)
		}
	})
}
