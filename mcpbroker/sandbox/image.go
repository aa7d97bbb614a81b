package sandbox

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Claim is a volume of the cluster that a server with an image sees.
type Claim struct {
	Name     string // of the PersistentVolumeClaim, in the pods' namespace
	Target   string // inside
	Writable bool
}

var (
	// imageName is a reference of an image as registries have them, in its letters alone: the cluster reads it.
	imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}$`)
	claimName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
)

// ParseClaim reads "claim:name:target", with :ro or :rw behind it. Without rw it is read-only.
func ParseClaim(text string) (Claim, error) {
	rest, ok := strings.CutPrefix(text, "claim:")
	if !ok {
		return Claim{}, fmt.Errorf("sandbox: the mount %q is a path of this machine, which a pod never sees: put the files into the image, or write claim:name:target, with :ro or :rw behind it, of a volume claim", text)
	}
	parts := strings.Split(rest, ":")
	var c Claim
	switch {
	case len(parts) == 3 && parts[2] == "rw":
		c.Writable = true
	case len(parts) == 2, len(parts) == 3 && parts[2] == "ro":
	default:
		return Claim{}, fmt.Errorf("sandbox: the mount %q is not claim:name:target, with :ro or :rw behind it", text)
	}
	c.Name, c.Target = parts[0], parts[1]
	return c, c.check()
}

func (c Claim) check() error {
	if !claimName.MatchString(c.Name) {
		return fmt.Errorf("sandbox: %q is no name of a volume claim", c.Name)
	}
	return checkTarget(c.Target)
}

// checkImage holds together what a server with an image has, and that one without has nothing of it.
func (s *Server) checkImage() error {
	switch {
	case s.Image == "" && len(s.Claims) > 0:
		return errors.New("volume claims are for a server with an image")
	case s.Image == "":
		return nil
	case !imageName.MatchString(s.Image):
		return errors.New("its image is no name of one")
	case len(s.Mounts) > 0:
		return errors.New("it has an image, and nothing of this machine is mounted in a pod; use volume claims")
	}
	seen := map[string]bool{}
	for _, c := range s.Claims {
		if err := c.check(); err != nil {
			return err
		}
		if seen[c.Target] {
			return fmt.Errorf("two mounts at %s", c.Target)
		}
		seen[c.Target] = true
	}
	return nil
}
