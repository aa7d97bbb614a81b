// Package tool finds the programs that the gateway starts: Envoy, and bubblewrap.
//
// A program on PATH comes first. Otherwise it is where the repository's make targets unpack it: in .tools of the repository that
// the caller stands in, beside or above the caller's own executable, or in the user's cache. Whether what was found is fit is for
// who asks to say.
package tool

import (
	"os"
	"os/exec"
	"path/filepath"
)

// Candidates lists the files that may be a program, the preferred ones first. unpacked is where it lies below .tools.
func Candidates(name, unpacked string) []string {
	var out []string
	add := func(path string) {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			out = append(out, path)
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		add(path)
	}
	within := filepath.Join(".tools", unpacked)
	if root, ok := repository(); ok {
		add(filepath.Join(root, within))
	}
	if self, err := os.Executable(); err == nil {
		folder := filepath.Dir(self)
		add(filepath.Join(folder, name))
		add(filepath.Join(folder, within))
		add(filepath.Join(filepath.Dir(folder), within))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		add(filepath.Join(cache, "yellowjack", unpacked))
	}
	return out
}

// repository is the nearest folder with a go.mod, from the working directory upwards.
func repository() (string, bool) {
	folder, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, true
		}
		up := filepath.Dir(folder)
		if up == folder {
			return "", false
		}
		folder = up
	}
}
