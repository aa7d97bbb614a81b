package conf

import (
	"maps"
	"os"
	"slices"
	"strings"
)

// laterToolKeys are what the design foresees under policies.data.tools.<name> and what is not built yet. A tool's
// owner who writes one of them relies on it, so it is refused rather than kept as data that no rule reads.
var laterToolKeys = []string{"args", "sensitive", "fields", "questions", "rounds", "pin"}

func (d *decoder) policies(c *Config) {
	d.bundle(c)
	tools, ok := c.Policies.Data["tools"].(map[string]any)
	if !ok {
		return
	}
	p := path{"policies", "data", "tools"}
	for _, tool := range slices.Sorted(maps.Keys(tools)) {
		keys, _ := tools[tool].(map[string]any)
		for _, k := range laterToolKeys {
			if _, ok := keys[k]; ok {
				d.bad(p.with(tool).with(k), "is not built yet", "remove it")
			}
		}
	}
	if _, ok := c.Policies.Data["pin"]; ok {
		d.bad(path{"policies", "data", "pin"}, "is not built yet", "remove it")
	}
}

func (d *decoder) bundle(c *Config) {
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
