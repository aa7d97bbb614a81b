package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds the configuration file.
const maxFile = 16 << 20

// Check is a check that another package makes; see Config.Problem. It runs even when something else is wrong, so that
// everything is reported at once, and must not rely on what it does not look at itself.
type Check func(*Config) Errors

// Load reads and checks the configuration in a file. Its error is Errors when something in the file is wrong.
func Load(name string, more ...Check) (*Config, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("configuration: %s is larger than %d bytes", name, maxFile)
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return parse(name, filepath.Dir(abs), b, more...)
}

// parse decodes and checks a document that was read from the file called name in the folder dir.
func parse(name, dir string, b []byte, more ...Check) (*Config, error) {
	d := &decoder{file: name, dir: dir, lines: map[string]int{}}
	root, ok := d.document(b)
	if !ok {
		return nil, d.errs
	}
	c := &Config{File: name, Dir: dir, lines: d.lines}
	d.value(root, nil, reflect.ValueOf(c).Elem(), "", 0)
	d.check(c)
	for _, check := range more {
		d.errs = append(d.errs, check(c)...)
	}
	if len(d.errs) > 0 {
		d.errs.Sort()
		if d.more > 0 {
			last := d.errs[len(d.errs)-1].Line
			d.errs = append(d.errs, &Error{File: name, Line: last, What: fmt.Sprintf("%d more mistakes are not shown", d.more), Do: "mend these first"})
		}
		return nil, d.errs
	}
	d.warn.Sort()
	c.Warnings = d.warn
	return c, nil
}

var (
	yamlLine   = regexp.MustCompile(`line (\d+): `)
	yamlQuoted = regexp.MustCompile(`'[^']*' ?`)
)

// document parses exactly one YAML document.
func (d *decoder) document(b []byte) (*yaml.Node, bool) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		d.fail(1, nil, "the file is empty", "start from the example in docs/configuration.md")
		return nil, false
	case err != nil:
		line, what := 1, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatchIndex(what); m != nil {
			line, _ = strconv.Atoi(what[m[2]:m[3]])
			what = what[:m[0]] + what[m[1]:]
		}
		d.fail(line, nil, "is no YAML: "+yamlQuoted.ReplaceAllString(what, ""), "mend the syntax")
		return nil, false
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		d.fail(max(more.Line, 1), nil, "there is a second document in the file", "keep one")
		return nil, false
	}
	return doc.Content[0], true
}

// Line is the line of a key, given by the keys that lead to it (list positions as numbers), or of the nearest
// key above it that the file has; 1 when it has none of them.
func (c *Config) Line(keys ...string) int {
	for n := len(keys); n > 0; n-- {
		if line, ok := c.lines[path(keys[:n]).id()]; ok {
			return line
		}
	}
	return 1
}

// Problem is an error at a key of this configuration, for checks that other packages make.
func (c *Config) Problem(what, do string, keys ...string) *Error {
	p := make(path, len(keys))
	for i, k := range keys {
		if _, err := strconv.Atoi(k); err == nil {
			k = "[" + k + "]"
		}
		p[i] = k
	}
	return &Error{File: c.File, Line: c.Line(keys...), Key: p.String(), What: what, Do: do}
}
