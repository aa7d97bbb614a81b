package conf

import (
	"os"
	"strings"
)

// policies checks what is not Rego's own matter: policies.ValidateData checks the data, as a Check of the caller's.
func (d *decoder) policies(c *Config) {
	p := path{"policies", "bundle"}
	b := c.Policies.Bundle
	if b == "" || d.failed(p) {
		return
	}
	if strings.Contains(b, "://") {
		d.bad(p, "a bundle from a URL or an OCI registry is not built yet", "name a folder")
		return
	}
	b = d.abs(b)
	c.Policies.Bundle = b
	info, err := os.Stat(b)
	switch {
	case err != nil:
		d.bad(p, "cannot be read: "+withoutPath(err).Error(), "name a folder; relative paths start at "+d.dir)
	case !info.IsDir():
		d.bad(p, "a bundle in one file is not built yet", "name a folder")
	default:
		if _, err := os.ReadDir(b); err != nil {
			d.bad(p, "cannot be read: "+withoutPath(err).Error(), "make the folder readable")
		}
	}
}
