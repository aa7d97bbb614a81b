package envoy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/yellowjack/yellowjack/internal/tool"
)

// PinnedVersion is the Envoy that scripts/envoy.sh unpacks.
const PinnedVersion = "1.40.0"

// BinaryVariable is the environment variable that names the binary for everyone who does not say otherwise.
const BinaryVariable = "YELLOWJACK_ENVOY"

// oldest is the first version that fails closed when the gRPC client of an ext_proc filter cannot be created.
func oldest() version { return version{1, 39, 1} }

type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) before(w version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// Find returns a binary that is new enough. One that is named, by argument or by $YELLOWJACK_ENVOY, is the only one
// looked at. Otherwise: PATH, and then where `make envoy` unpacks the pinned one (package tool).
func Find(ctx context.Context, binary string) (string, error) {
	if binary == "" {
		binary = os.Getenv(BinaryVariable)
	}
	if binary != "" {
		path, err := exec.LookPath(binary)
		if err != nil {
			return "", fmt.Errorf("envoy: %w", err)
		}
		return absolute(path, checkVersion(ctx, path))
	}
	var reasons []error
	for _, path := range tool.Candidates("envoy", filepath.Join("envoy", PinnedVersion, "envoy")) {
		err := checkVersion(ctx, path)
		if err == nil {
			return absolute(path, nil)
		}
		reasons = append(reasons, err)
	}
	return "", errors.Join(append([]error{fmt.Errorf("envoy: no Envoy of at least %s found; run `make envoy`, put one on PATH, or set %s", oldest(), BinaryVariable)}, reasons...)...)
}

func absolute(path string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// checkVersion asks the binary itself: "envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL".
func checkVersion(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output() // the operator names the binary
	if err != nil {
		return fmt.Errorf("envoy: %s --version: %w", path, err)
	}
	v, ok := parseVersion(string(out))
	switch {
	case !ok:
		return fmt.Errorf("envoy: %s does not say which version it is", path)
	case v.before(oldest()):
		return fmt.Errorf("envoy: %s is version %s; older than %s fails open", path, v, oldest())
	}
	return nil
}

func parseVersion(out string) (version, bool) {
	m := regexp.MustCompile(`version: [0-9a-f]+/(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(out)
	if m == nil {
		return version{}, false
	}
	var v version
	for i := range v {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return version{}, false
		}
		v[i] = n
	}
	return v, true
}
