package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The kernel bounds memory, processes and CPU of all that a server starts by control groups (cgroup). Where the broker may make some
// below its own, each server gets one: of version 2, or of version 1 with its hierarchy for each of the three. Where it may not,
// resource limits take their place, of which all but the count of processes bound each process by itself; the log says so once.

// controllers are those that are needed, by version 1's names.
var controllers = []string{"memory", "pids", "cpu"}

// period is that of the CPU's quota in microseconds.
const period = 100_000

// cgroups makes control groups.
type cgroups struct {
	version int
	parents map[string]string // of each controller, a folder of ours; of version 2 they are one
	next    atomic.Int64
}

// mountsFile and ownFile tell where control groups are, and which one is ours.
const (
	mountsFile = "/proc/self/mountinfo"
	ownFile    = "/proc/self/cgroup"
)

// findCgroups makes our folder in the control groups of this process. Its error is why there are none to be had.
func findCgroups() (*cgroups, error) {
	mounts, err := os.ReadFile(mountsFile)
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(ownFile)
	if err != nil {
		return nil, err
	}
	version, bases, err := cgroupBases(mounts, own)
	if err != nil {
		return nil, err
	}
	g := &cgroups{version: version, parents: map[string]string{}}
	for _, c := range controllers {
		if version == 2 {
			if err := delegate(bases[c]); err != nil {
				return nil, err
			}
		}
		sweep(bases[c])
		g.parents[c] = filepath.Join(bases[c], folderPrefix+strconv.Itoa(os.Getpid()))
		if err := os.Mkdir(g.parents[c], 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			g.close()
			return nil, err
		}
		if version == 2 {
			if err := delegate(g.parents[c]); err != nil {
				g.close()
				return nil, err
			}
		}
	}
	return g, nil
}

// folderPrefix begins the names of our folders; the process' id follows.
const folderPrefix = "yellowjack."

// sweep removes what brokers that are no more have left. The kernel keeps what is in use.
func sweep(base string) {
	old, _ := filepath.Glob(filepath.Join(base, folderPrefix+"*"))
	for _, dir := range old {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), folderPrefix))
		if err != nil || exists(fmt.Sprintf("/proc/%d", pid)) {
			continue
		}
		inner, _ := filepath.Glob(filepath.Join(dir, "*", "cgroup.procs"))
		for _, f := range inner {
			_ = os.Remove(filepath.Dir(f))
		}
		_ = os.Remove(dir)
	}
}

// cgroupBases reads where our own control group is, for each controller: by version 2 if it has all three, else by version 1.
func cgroupBases(mountinfo, own []byte) (version int, bases map[string]string, err error) {
	paths := map[string]string{} // by controller; "" is version 2
	for line := range bytes.Lines(own) {
		parts := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for c := range strings.SplitSeq(parts[1], ",") {
			paths[c] = parts[2]
		}
	}
	bases = map[string]string{}
	s := bufio.NewScanner(bytes.NewReader(mountinfo))
	unified := ""
	for s.Scan() { // proc_pid_mountinfo(5): id parent dev root point options … - type source superoptions
		f := strings.Fields(s.Text())
		dash := slices.Index(f, "-")
		if dash < 5 || len(f) < dash+4 {
			continue
		}
		root, point, kind := f[3], f[4], f[dash+1]
		switch kind {
		case "cgroup2":
			unified = below(point, root, paths[""])
		case "cgroup":
			for _, c := range controllers {
				if slices.Contains(strings.Split(f[dash+3], ","), c) {
					bases[c] = below(point, root, paths[c])
				}
			}
		}
	}
	if unified != "" {
		offered, _ := os.ReadFile(filepath.Join(unified, "cgroup.controllers"))
		if has(offered, controllers) {
			return 2, map[string]string{"memory": unified, "pids": unified, "cpu": unified}, nil
		}
	}
	for _, c := range controllers {
		if bases[c] == "" {
			return 0, nil, fmt.Errorf("there is no control group for %s", c)
		}
	}
	return 1, bases, nil
}

// below is where a control group is in the file system, given what is mounted there.
func below(point, root, path string) string {
	rest, ok := strings.CutPrefix(path, root)
	if !ok {
		rest = path
	}
	return filepath.Join(point, rest)
}

func has(list []byte, all []string) bool {
	for _, c := range all {
		if !slices.Contains(strings.Fields(string(list)), c) {
			return false
		}
	}
	return true
}

// delegate makes a group of version 2 hand its controllers on to those below it. It can only when no process is in it itself ("no
// internal process"), so where only the broker is, it moves one step down.
func delegate(dir string) error {
	control := filepath.Join(dir, "cgroup.subtree_control")
	if on, err := os.ReadFile(control); err == nil && has(on, controllers) {
		return nil
	}
	enable := func() error { return os.WriteFile(control, []byte("+memory +pids +cpu"), 0o644) }
	err := enable()
	if err == nil {
		return nil
	}
	in, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if me := strconv.Itoa(os.Getpid()); strings.TrimSpace(string(in)) != me {
		return err
	}
	leaf := filepath.Join(dir, "yellowjack")
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return err
	}
	return enable()
}

// setting is one line for the kernel; one that may be missing is left out where the kernel has not got it.
type setting struct {
	controller, file, value string
	maybe                   bool
}

func (g *cgroups) settings(l Limits) []setting {
	memory, quota := strconv.FormatInt(l.Memory, 10), strconv.Itoa(int(l.CPU*period))
	if g.version == 2 {
		return []setting{
			{"memory", "memory.max", memory, false},
			{"memory", "memory.swap.max", "0", true},
			{"memory", "memory.oom.group", "1", true},
			{"pids", "pids.max", strconv.Itoa(l.PIDs), false},
			{"cpu", "cpu.max", quota + " " + strconv.Itoa(period), false},
		}
	}
	return []setting{
		{"memory", "memory.limit_in_bytes", memory, false},
		{"memory", "memory.memsw.limit_in_bytes", memory, true},
		{"pids", "pids.max", strconv.Itoa(l.PIDs), false},
		{"cpu", "cpu.cfs_period_us", strconv.Itoa(period), false},
		{"cpu", "cpu.cfs_quota_us", quota, false},
	}
}

// put makes a group of these limits and puts a process into it. release removes it, once all of its processes have ended.
func (g *cgroups) put(name string, l Limits, pid int) (release func(), err error) {
	name += "-" + strconv.FormatInt(g.next.Add(1), 10)
	dirs := map[string]string{}
	for c, parent := range g.parents {
		dirs[c] = filepath.Join(parent, name)
	}
	remove := func() {
		for _, dir := range dirs {
			removeEmpty(dir)
		}
	}
	defer func() {
		if err != nil {
			remove()
		}
	}()
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	for _, s := range g.settings(l) {
		file := filepath.Join(dirs[s.controller], s.file)
		if s.maybe && !exists(file) {
			continue
		}
		if err := os.WriteFile(file, []byte(s.value), 0o644); err != nil {
			return nil, err
		}
	}
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return nil, err
		}
	}
	return remove, nil
}

// removeEmpty removes a group. Those of its processes that were just killed may take a moment to be gone.
func removeEmpty(dir string) {
	for pause := time.Millisecond; pause < time.Second; pause *= 2 {
		if err := os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(pause)
	}
}

// close removes our folders.
func (g *cgroups) close() {
	for _, dir := range g.parents {
		_ = os.Remove(dir)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
