package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Mount is a folder or file of this machine that a server sees.
type Mount struct {
	Source   string // absolute, with all its links resolved when the configuration was read
	Target   string // inside
	Writable bool
}

// ParseMount reads "source:target", "source:target:ro" or "source:target:rw"; a relative source is relative to base. Without rw it is
// read-only. The source has to be there, and its links are followed now, as the configuration's author sees them, and never later.
func ParseMount(text, base string) (Mount, error) {
	parts := strings.Split(text, ":")
	m := Mount{}
	switch {
	case len(parts) == 3 && parts[2] == "rw":
		m.Writable = true
	case len(parts) == 2, len(parts) == 3 && parts[2] == "ro":
	default:
		return Mount{}, fmt.Errorf("sandbox: the mount %q is not source:target, with :ro or :rw behind it", text)
	}
	m.Target = parts[1]
	source := parts[0]
	if source == "" {
		return Mount{}, fmt.Errorf("sandbox: the mount %q has no source", text)
	}
	if !filepath.IsAbs(source) {
		source = filepath.Join(base, source)
	}
	var err error
	if source, err = filepath.Abs(source); err != nil {
		return Mount{}, fmt.Errorf("sandbox: the mount %q: %w", text, err)
	}
	if m.Source, err = filepath.EvalSymlinks(source); err != nil {
		return Mount{}, fmt.Errorf("sandbox: the mount %q: %w", text, err)
	}
	if err := m.check(); err != nil {
		return Mount{}, fmt.Errorf("sandbox: the mount %q: %w", text, err)
	}
	return m, nil
}

// Where a mount may neither come from nor go to. What the kernel shows of itself in files is no folder of data, and a server must not
// come to see another /usr or /etc than the one that was looked at.
var (
	noSources = []string{"/proc", "/sys", "/dev"}
	noTargets = []string{"/proc", "/sys", "/dev", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"}
)

func (m Mount) check() error {
	if !filepath.IsAbs(m.Source) || filepath.Clean(m.Source) != m.Source {
		return fmt.Errorf("the source %q is no clean absolute path", m.Source)
	}
	if m.Source == "/" {
		return errors.New("the whole file system is no mount")
	}
	for _, p := range noSources {
		if within(m.Source, p) {
			return fmt.Errorf("%s is not mounted", p)
		}
	}
	return checkTarget(m.Target)
}

func checkTarget(target string) error {
	if !path.IsAbs(target) || path.Clean(target) != target || target == "/" {
		return fmt.Errorf("the target %q is no clean absolute path below /", target)
	}
	for _, p := range noTargets {
		if within(target, p) {
			return fmt.Errorf("nothing is mounted at %s", p)
		}
	}
	return nil
}

// checkMounts holds the mounts of one server together. What a server can write, it could replace by a link before its next start, so
// nothing is mounted from below a folder that it can write.
func checkMounts(all []Mount) error {
	for i, m := range all {
		if err := m.check(); err != nil {
			return err
		}
		for j, other := range all {
			switch {
			case i == j:
			case m.Target == other.Target:
				return fmt.Errorf("two mounts at %s", m.Target)
			case other.Writable && m.Source != other.Source && within(m.Source, other.Source):
				return fmt.Errorf("%s is mounted from below %s, which the server can write", m.Source, other.Source)
			}
		}
	}
	return nil
}

// open opens a mount's source by itself: none of its steps may be a link, and what was opened is what will be mounted, whatever
// becomes of its name.
func (m Mount) open() (*os.File, error) {
	f, err := openNoLinks(m.Source)
	if err != nil {
		return nil, fmt.Errorf("sandbox: the mount of %s: %w", m.Source, err)
	}
	if info, err := f.Stat(); err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, fmt.Errorf("sandbox: %s is no folder and no file", m.Source)
	}
	return f, nil
}
