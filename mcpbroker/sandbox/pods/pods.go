// Package pods runs MCP servers as pods of a Kubernetes cluster: the sandbox's runner where there is one.
//
// Start makes, in this order: the server's NetworkPolicy, which lets nothing in, and nothing out unless the network is granted; the pod,
// one for each process that is asked for (manifest.go); and a Secret with its environment, which the pod owns. It waits until the pod
// runs (follow.go), deletes the Secret, which a container reads once, and attaches to the standard streams (attach.go). What fails on
// the way deletes the pod and says why by the cluster's own words for it, never by what a program wrote.
//
// The pod's specification holds names of variables and no values. Whoever may read pods reads no secret, and whoever may read Secrets
// finds one for the seconds of a start. The environment as a whole goes that way, since one may hold what another key does not say.
//
// A pod ends when its server does, when Kill deletes it, when its broker's pod is gone (it is its owner, in its own namespace), when the
// attached stream breaks (stdinOnce closes its input), and at a deadline in any case.
package pods

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

// Config is where pods run.
type Config struct {
	// Namespace is theirs; empty means the broker's own.
	Namespace string
	// Kubeconfig is the file that says which cluster and as whom; empty means the one that the broker runs in, as its service account.
	Kubeconfig string
	// RuntimeClass is that of all pods, such as gvisor; empty means the cluster's default.
	RuntimeClass string
	// Owner is the broker's own pod, with which its pods end. It counts in its own namespace alone.
	Owner Owner
	// Label makes a principal's label of its key: a MAC, of at most 63 letters and digits.
	Label func(principal string) string
	// Deadline is how long a pod may run; default a day.
	Deadline time.Duration
	Log      *slog.Logger
}

// Owner is a pod.
type Owner struct{ Namespace, Name, UID string }

// Runner runs servers as pods.
type Runner struct {
	c      Config
	api    kubernetes.Interface
	attach attacher
}

// ownNamespace is where a pod finds the name of its namespace.
const ownNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// New reads who the broker is in the cluster. It does not call it.
func New(c Config) (*Runner, error) {
	fail := func(err error) (*Runner, error) { return nil, fmt.Errorf("pods: %w", err) }
	var access *rest.Config
	var err error
	if c.Kubeconfig == "" {
		if access, err = rest.InClusterConfig(); err != nil {
			return fail(fmt.Errorf("the broker does not run in a cluster, and mcp.kubernetes.kubeconfig names none: %w", err))
		}
		if c.Namespace == "" {
			name, err := os.ReadFile(ownNamespace)
			if err != nil {
				return fail(fmt.Errorf("its own namespace: %w", err))
			}
			c.Namespace = strings.TrimSpace(string(name))
		}
	} else {
		loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig}, nil)
		if access, err = loaded.ClientConfig(); err != nil {
			return fail(err)
		}
		if c.Namespace == "" {
			if c.Namespace, _, err = loaded.Namespace(); err != nil {
				return fail(err)
			}
		}
	}
	api, err := kubernetes.NewForConfig(access)
	if err != nil {
		return fail(err)
	}
	return newRunner(c, api, executors(access, api))
}

func newRunner(c Config, api kubernetes.Interface, attach attacher) (*Runner, error) {
	if c.Namespace == "" || c.Label == nil || c.Log == nil {
		return nil, errors.New("pods: a namespace, a label and a log are needed")
	}
	if c.Deadline == 0 {
		c.Deadline = 24 * time.Hour
	}
	return &Runner{c: c, api: api, attach: attach}, nil
}

// Start starts a server in a pod of its own.
func (r *Runner) Start(ctx context.Context, s *sandbox.Server, principal string) (*sandbox.Process, error) {
	if err := Check(s); err != nil {
		return nil, err
	}
	fail := func(err error) (*sandbox.Process, error) {
		return nil, fmt.Errorf("pods: the server %q: %w", s.Name, err)
	}
	if err := r.fence(ctx, s); err != nil {
		return fail(fmt.Errorf("its NetworkPolicy, without which it is not started: %w", err))
	}
	pod, err := r.api.CoreV1().Pods(r.c.Namespace).Create(ctx, r.pod(s, principal, rand.Text()), meta.CreateOptions{})
	if err != nil {
		return fail(fmt.Errorf("its pod: %w", err))
	}
	if err := r.begin(ctx, s, pod); err != nil {
		r.remove(pod)
		return fail(err)
	}
	return r.process(pod), nil
}

// begin brings a pod that has been made to run.
func (r *Runner) begin(ctx context.Context, s *sandbox.Server, pod *core.Pod) error {
	secrets := r.api.CoreV1().Secrets(r.c.Namespace)
	if secret := environment(s, pod); secret != nil {
		if _, err := secrets.Create(ctx, secret, meta.CreateOptions{}); err != nil {
			return fmt.Errorf("the Secret with its environment: %s", apierrors.ReasonForError(err)) // whose text may quote values
		}
	}
	if err := r.running(ctx, pod); err != nil {
		return err
	}
	if len(s.Env) == 0 {
		return nil
	}
	if err := secrets.Delete(ctx, pod.Name, meta.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("the Secret with its environment stays: %w", err)
	}
	return nil
}

// fence puts the server's NetworkPolicy in force, or back as it is to be.
func (r *Runner) fence(ctx context.Context, s *sandbox.Server) error {
	want := r.policy(s)
	all := r.api.NetworkingV1().NetworkPolicies(r.c.Namespace)
	got, err := all.Get(ctx, want.Name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		if _, err = all.Create(ctx, want, meta.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
			return err
		}
		got, err = all.Get(ctx, want.Name, meta.GetOptions{}) // another broker made it
	}
	if err != nil || same(got, want) {
		return err
	}
	r.c.Log.Warn("a NetworkPolicy was not as it has to be, and is written anew", "policy", want.Name, "namespace", r.c.Namespace)
	want.ResourceVersion = got.ResourceVersion
	_, err = all.Update(ctx, want, meta.UpdateOptions{})
	return err
}

const (
	// removal is how long the cluster may take to take a pod away.
	removal = 30 * time.Second
	// pause is between two attempts.
	pause = time.Second
	// grace is what a server has to end when its pod is deleted.
	grace = int64(1)
)

// remove deletes a pod; one that is gone already is as well. It tries for a while.
func (r *Runner) remove(pod *core.Pod) {
	ctx, cancel := context.WithTimeout(context.Background(), removal)
	defer cancel()
	left := grace
	for {
		err := r.api.CoreV1().Pods(r.c.Namespace).Delete(ctx, pod.Name, meta.DeleteOptions{
			GracePeriodSeconds: &left, Preconditions: &meta.Preconditions{UID: uid(pod)},
		})
		switch {
		case err == nil, apierrors.IsNotFound(err), apierrors.IsConflict(err): // gone, or another of its name
			return
		case !sleep(ctx, pause):
			r.c.Log.Error("a pod could not be deleted; it ends at its deadline", "pod", pod.Name, "namespace", r.c.Namespace, "err", err)
			return
		}
	}
}

func uid(pod *core.Pod) *types.UID {
	if pod.UID == "" {
		return nil
	}
	return &pod.UID
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
