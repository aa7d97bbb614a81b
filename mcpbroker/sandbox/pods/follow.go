package pods

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
)

// errDeleted is a pod that is not there any more.
var errDeleted = errors.New("its pod was deleted")

// hopeless are the reasons for which a container waits that time does not mend. ErrImagePull, which is tried again, becomes
// ImagePullBackOff; CreateContainerConfigError is a Secret that is a moment late.
var hopeless = map[string]string{
	"ImagePullBackOff": "its image cannot be pulled", "InvalidImageName": "its image has no valid name", "ErrImageNeverPull": "its image is not on the node",
	"CreateContainerError": "its container cannot be made", "RunContainerError": "its command cannot be started", "CrashLoopBackOff": "it crashes at once",
}

// running waits until a pod runs. Its error says what the pod waits for.
func (r *Runner) running(ctx context.Context, pod *core.Pod) error {
	last := "it was not scheduled yet"
	err := r.follow(ctx, pod, func(p *core.Pod) (bool, error) {
		state := containerState(p)
		switch {
		case p.Status.Phase == core.PodFailed || p.Status.Phase == core.PodSucceeded || state.Terminated != nil:
			if err := ended(p); err != nil {
				return true, err
			}
			return true, errors.New("its pod ended as soon as it ran")
		case p.Status.Phase == core.PodRunning && state.Running != nil:
			return true, nil
		case state.Waiting != nil:
			why := word(state.Waiting.Reason)
			if text, ok := hopeless[why]; ok {
				return true, fmt.Errorf("%s (%s)", text, why)
			}
			last = "it waits: " + why
		default:
			for _, c := range p.Status.Conditions {
				if c.Type == core.PodScheduled && c.Status == core.ConditionFalse {
					last = "it cannot be scheduled: " + word(c.Reason)
				}
			}
		}
		return false, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("its pod does not run in time; %s: %w", last, ctx.Err())
	}
	return err
}

// over waits until a pod has ended, and says how.
func (r *Runner) over(ctx context.Context, pod *core.Pod) error {
	return r.follow(ctx, pod, func(p *core.Pod) (bool, error) {
		if p.Status.Phase == core.PodFailed || p.Status.Phase == core.PodSucceeded || containerState(p).Terminated != nil {
			return true, ended(p)
		}
		return false, nil
	})
}

// follow shows a pod as it is and as it becomes, until see has seen enough. A watch that breaks is made anew; one that was made before
// the pod is read misses nothing between the two.
func (r *Runner) follow(ctx context.Context, pod *core.Pod, see func(*core.Pod) (bool, error)) error {
	for {
		done, err := r.look(ctx, pod, see)
		if done {
			return err
		}
		if err != nil {
			r.c.Log.Debug("a pod is out of sight", "pod", pod.Name, "err", err)
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

func (r *Runner) look(ctx context.Context, pod *core.Pod, see func(*core.Pod) (bool, error)) (done bool, err error) {
	all := r.api.CoreV1().Pods(r.c.Namespace)
	w, err := all.Watch(ctx, meta.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", pod.Name).String()})
	if err != nil {
		return false, err
	}
	defer w.Stop()
	now, err := all.Get(ctx, pod.Name, meta.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && now.UID != pod.UID {
		return true, errDeleted
	}
	if err != nil {
		return false, err
	}
	if done, err := see(now); done {
		return true, err
	}
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				return false, errors.New("the watch ended")
			}
			if e.Type == watch.Error {
				return false, apierrors.FromObject(e.Object)
			}
			p, ok := e.Object.(*core.Pod)
			if !ok || p.UID != pod.UID || p.Name != pod.Name {
				continue
			}
			if done, err := see(p); done {
				return true, err
			}
			if e.Type == watch.Deleted {
				return true, errDeleted
			}
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

func containerState(p *core.Pod) core.ContainerState {
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == container {
			return c.State
		}
	}
	return core.ContainerState{}
}

// ended says how a pod ended; nil is an exit with status 0. What its program left as a message is not said: it may be anything.
func ended(p *core.Pod) error {
	if t := containerState(p).Terminated; t != nil {
		if t.ExitCode == 0 && p.Status.Phase != core.PodFailed {
			return nil
		}
		if t.Reason == "OOMKilled" {
			return fmt.Errorf("its pod has ended: it took more memory than it may (OOMKilled, exit status %d)", t.ExitCode)
		}
		return fmt.Errorf("its pod has ended: %s, exit status %d", word(t.Reason), t.ExitCode)
	}
	if p.Status.Phase == core.PodSucceeded {
		return nil
	}
	return fmt.Errorf("its pod has ended: %s", word(p.Status.Reason)) // Evicted, DeadlineExceeded
}

var aWord = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// word is a reason as the cluster's documentation has them.
func word(reason string) string {
	if !aWord.MatchString(reason) {
		return "Unknown"
	}
	return reason
}
