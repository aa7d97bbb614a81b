package main

import (
	"flag"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/identity"
)

var update = flag.Bool("update", false, "rewrite what the scripts in testdata expect")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"yellowjack": main})
}

// TestScripts runs the command line as a person would, by testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true})
}

// TestHelp: every command says what it is for, and its help ends well.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "completion" || cmd.Name() == "help" {
			return
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its short help is %q", cmd.CommandPath(), cmd.Short)
		}
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		var out, errs strings.Builder
		if code := execute(t.Context(), args, &out, &errs); code != exitOK || errs.Len() > 0 || !strings.Contains(out.String(), "Usage:") {
			t.Errorf("%q: %d\n%s%s", args, code, out.String(), errs.String())
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRootCmd())
}

// TestDefaultAlgorithms: the configuration's default is the identity step's.
func TestDefaultAlgorithms(t *testing.T) {
	cfg := writeConfig(t, `
identity: {issuers: [{name: corp, issuer: "https://idp.example.com/", audiences: [a]}]}
providers: {mock: {base_url: "http://127.0.0.1:1/v1"}}
`)
	c, err := conf.Load(cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(c.Identity.Issuers[0].Algorithms, " ")
	if want := strings.Join(identity.DefaultAlgorithms(), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
