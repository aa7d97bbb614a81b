package pods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

// attacher makes what attaches to a pod's standard streams.
type attacher func(namespace, pod string) (remotecommand.Executor, error)

// executors attach over WebSocket, and over SPDY where the cluster, or a proxy before it, does not know that.
func executors(access *rest.Config, api kubernetes.Interface) attacher {
	return func(namespace, pod string) (remotecommand.Executor, error) {
		at := api.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("attach").
			VersionedParams(&core.PodAttachOptions{Container: container, Stdin: true, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
		socket, err := remotecommand.NewWebSocketExecutor(access, "GET", at.String())
		if err != nil {
			return nil, err
		}
		spdy, err := remotecommand.NewSPDYExecutor(access, "POST", at)
		if err != nil {
			return nil, err
		}
		return remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
			return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
		})
	}
}

// lastWords is how long a pod whose stream has ended has to say how it ended.
const lastWords = 2 * time.Second

// process attaches to a pod that runs.
func (r *Runner) process(pod *core.Pod) *sandbox.Process {
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	stderr, errs := io.Pipe()
	ctx, kill := context.WithCancel(context.Background())
	streamed := make(chan error, 1)
	go func() {
		err := r.stream(ctx, pod, remotecommand.StreamOptions{Stdin: in, Stdout: out, Stderr: errs})
		_ = in.CloseWithError(io.ErrClosedPipe)
		_ = out.Close()
		_ = errs.Close()
		streamed <- err
	}()
	wait := func() error {
		defer kill() // and so the stream
		err := r.until(ctx, pod, streamed)
		r.remove(pod)
		// What nobody reads any more would keep the stream.
		_ = in.CloseWithError(io.ErrClosedPipe)
		return err
	}
	return sandbox.NewProcess(stdin, stdout, stderr, kill, wait)
}

func (r *Runner) stream(ctx context.Context, pod *core.Pod, o remotecommand.StreamOptions) error {
	e, err := r.attach(r.c.Namespace, pod.Name)
	if err != nil {
		return err
	}
	return e.StreamWithContext(ctx, o)
}

// errKilled is a process that was ended by Kill.
var errKilled = errors.New("pods: killed")

// until waits for a pod's end: its own, that of its stream, or Kill.
func (r *Runner) until(ctx context.Context, pod *core.Pod, streamed <-chan error) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	end := make(chan error, 1)
	go func() { end <- r.over(watching, pod) }()
	said := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return errKilled
		case err != nil:
			return fmt.Errorf("pods: %w", err)
		}
		return nil
	}
	select {
	case err := <-end:
		select { // what it said last is on its way
		case <-streamed:
		case <-ctx.Done():
		case <-time.After(lastWords):
		}
		return said(err)
	case broken := <-streamed:
		if ctx.Err() != nil {
			<-end
			return errKilled
		}
		t := time.NewTimer(lastWords)
		defer t.Stop()
		select {
		case err := <-end:
			return said(err)
		case <-t.C:
			stop()
			<-end
			if broken == nil {
				return errors.New("pods: it closed its streams and went on")
			}
			return fmt.Errorf("pods: the stream to its pod broke: %w", broken)
		}
	}
}
