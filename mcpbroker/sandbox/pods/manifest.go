package pods

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yellowjack/yellowjack/mcpbroker/sandbox"
)

// Labels of all that is made. A principal's is a MAC.
const (
	managedLabel   = "app.kubernetes.io/managed-by"
	serverLabel    = "yellowjack/server"
	networkLabel   = "yellowjack/network"
	principalLabel = "yellowjack/principal"

	manager   = "yellowjack"
	container = "server"
	nobody    = int64(65534)
	home      = "/home/server"
)

// labelName is what the server's name has to be, since it is a label and part of names (RFC 1123; 40 letters leave place for the rest).
var labelName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Check tells what is wrong with a server that is to be a pod.
func Check(s *sandbox.Server) error {
	if err := s.Check(); err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("sandbox: the server %q: "+format, append([]any{s.Name}, args...)...)
	}
	switch {
	case s.Image == "":
		return bad("it has no image")
	case !labelName.MatchString(s.Name):
		return bad("use at most 40 lower-case letters, digits and -, no - at its end, in the name of one that is a pod")
	}
	for _, c := range s.Claims {
		if c.Target == "/tmp" || c.Target == home {
			return bad("%s is a folder of its own already", c.Target)
		}
	}
	return nil
}

func labels(s *sandbox.Server) map[string]string {
	network := sandbox.NoNetwork
	if s.Network == sandbox.HostNetwork {
		network = sandbox.HostNetwork
	}
	return map[string]string{managedLabel: manager, serverLabel: s.Name, networkLabel: string(network)}
}

// policy is what a server's pods may reach. Its name and its pods' labels tell which network it is, so that a change of the
// configuration does not change what older pods reach. Nobody owns it: other brokers' pods are behind it too.
func (r *Runner) policy(s *sandbox.Server) *networking.NetworkPolicy {
	of := labels(s)
	p := &networking.NetworkPolicy{
		TypeMeta: meta.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: meta.ObjectMeta{
			Name: "yellowjack-" + s.Name + "-" + of[networkLabel], Namespace: r.c.Namespace, Labels: of,
		},
		Spec: networking.NetworkPolicySpec{
			PodSelector: meta.LabelSelector{MatchLabels: of},
			PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress},
		},
	}
	if s.Network == sandbox.HostNetwork {
		p.Spec.Egress = []networking.NetworkPolicyEgressRule{{}}
	}
	return p
}

func same(a, b *networking.NetworkPolicy) bool { return equality.Semantic.DeepEqual(a.Spec, b.Spec) }

// pod is a server's pod for one principal.
func (r *Runner) pod(s *sandbox.Server, principal, random string) *core.Pod {
	of := labels(s)
	of[principalLabel] = r.c.Label(principal)
	name := "yellowjack-" + s.Name + "-" + strings.ToLower(random[:12])
	deadline, grace := int64(r.c.Deadline.Seconds()), grace
	p := &core.Pod{
		TypeMeta:   meta.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: r.c.Namespace, Labels: of, OwnerReferences: r.owner()},
		Spec: core.PodSpec{
			RestartPolicy: core.RestartPolicyNever, ActiveDeadlineSeconds: &deadline, TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken: new(false), EnableServiceLinks: new(false),
			SecurityContext: &core.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(nobody), RunAsGroup: new(nobody), FSGroup: new(nobody),
				FSGroupChangePolicy: new(core.FSGroupChangeOnRootMismatch),
				SeccompProfile:      &core.SeccompProfile{Type: core.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []core.Container{r.container(s, name)},
		},
	}
	if r.c.RuntimeClass != "" {
		p.Spec.RuntimeClassName = new(r.c.RuntimeClass)
	}
	volume := func(name, at string, source core.VolumeSource, readOnly bool) {
		p.Spec.Volumes = append(p.Spec.Volumes, core.Volume{Name: name, VolumeSource: source})
		c := &p.Spec.Containers[0]
		c.VolumeMounts = append(c.VolumeMounts, core.VolumeMount{Name: name, MountPath: at, ReadOnly: readOnly})
	}
	for _, v := range [][2]string{{"tmp", "/tmp"}, {"shm", "/dev/shm"}, {"home", home}} {
		volume(v[0], v[1], core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{
			Medium: core.StorageMediumMemory, SizeLimit: resource.NewQuantity(s.Limits.Filled().Tmp, resource.BinarySI),
		}}, false)
	}
	for i, c := range s.Claims {
		volume(fmt.Sprintf("claim-%d", i), c.Target, core.VolumeSource{PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{
			ClaimName: c.Name, ReadOnly: !c.Writable,
		}}, !c.Writable)
	}
	return p
}

// owner is the broker's pod. An owner of another namespace is none: the cluster would take the pod for an orphan and delete it.
func (r *Runner) owner() []meta.OwnerReference {
	if o := r.c.Owner; o.Name != "" && o.UID != "" && o.Namespace == r.c.Namespace {
		return []meta.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: o.Name, UID: types.UID(o.UID)}}
	}
	return nil
}

func (r *Runner) container(s *sandbox.Server, secret string) core.Container {
	limits := s.Limits.Filled()
	millis := int64(limits.CPU * 1000)
	memory := *resource.NewQuantity(limits.Memory, resource.BinarySI)
	c := core.Container{
		Name: container, Image: s.Image, ImagePullPolicy: core.PullIfNotPresent,
		Stdin: true, StdinOnce: true, // who stops talking to it ends it
		Env: []core.EnvVar{{Name: "HOME", Value: home}, {Name: "LANG", Value: "C.UTF-8"}, {Name: "TMPDIR", Value: "/tmp"}},
		Resources: core.ResourceRequirements{
			Limits: core.ResourceList{core.ResourceCPU: *resource.NewMilliQuantity(millis, resource.DecimalSI), core.ResourceMemory: memory},
			// A server waits for most of its time: what it is promised is a tenth of what it may take. Memory is not lent that way.
			Requests: core.ResourceList{core.ResourceCPU: *resource.NewMilliQuantity(max(millis/10, 1), resource.DecimalSI), core.ResourceMemory: memory},
		},
		SecurityContext: &core.SecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(nobody), RunAsGroup: new(nobody), Privileged: new(false),
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities:   &core.Capabilities{Drop: []core.Capability{"ALL"}},
			SeccompProfile: &core.SeccompProfile{Type: core.SeccompProfileTypeRuntimeDefault},
		},
	}
	for _, word := range s.Command {
		c.Command = append(c.Command, strings.ReplaceAll(word, "$", "$$")) // $(NAME) would be a variable's value
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		c.Env = slices.DeleteFunc(c.Env, func(v core.EnvVar) bool { return v.Name == name })
		c.Env = append(c.Env, core.EnvVar{Name: name, ValueFrom: &core.EnvVarSource{SecretKeyRef: &core.SecretKeySelector{
			LocalObjectReference: core.LocalObjectReference{Name: secret}, Key: name,
		}}})
	}
	return c
}

// environment is the Secret with a pod's environment, which ends with it; nil when it has none.
func environment(s *sandbox.Server, pod *core.Pod) *core.Secret {
	if len(s.Env) == 0 {
		return nil
	}
	out := &core.Secret{
		TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: meta.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels,
			OwnerReferences: []meta.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}},
		},
		Type: core.SecretTypeOpaque, Immutable: new(true), Data: map[string][]byte{},
	}
	for name, value := range s.Env {
		out.Data[name] = []byte(value)
	}
	return out
}
