package store

import (
	"reflect"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for text, want := range map[string]Address{
		"redis://cache":                     {Hosts: []string{"cache:6379"}},
		"redis://cache/":                    {Hosts: []string{"cache:6379"}},
		"redis://cache:7000/3":              {Hosts: []string{"cache:7000"}, Database: 3},
		"rediss://sara@cache":               {Hosts: []string{"cache:6379"}, User: "sara", TLS: true},
		"redis://[::1]:7000":                {Hosts: []string{"[::1]:7000"}},
		"redis://[::1]":                     {Hosts: []string{"[::1]:6379"}},
		"redis+cluster://a,b:7000":          {Hosts: []string{"a:6379", "b:7000"}, Cluster: true},
		"rediss+cluster://u@a:1,b:2,c:3/0":  {Hosts: []string{"a:1", "b:2", "c:3"}, Cluster: true, TLS: true, User: "u"},
		"redis+cluster://a":                 {Hosts: []string{"a:6379"}, Cluster: true},
		"redis+sentinel://a,b:7/main":       {Hosts: []string{"a:26379", "b:7"}, Master: "main"},
		"rediss+sentinel://u@a:1,b:2/main/": {Hosts: []string{"a:1", "b:2"}, Master: "main", TLS: true, User: "u"},
		"redis+sentinel://a/main/2":         {Hosts: []string{"a:26379"}, Master: "main", Database: 2},
	} {
		got, err := ParseAddress(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
}

func TestAddressRefused(t *testing.T) {
	for text, why := range map[string]string{
		"":                           "scheme",
		"cache:6379":                 "scheme",
		"http://cache":               `"http"`,
		"redis+magic://cache":        "redis+magic",
		"redis+://cache":             "not known",
		"redis://":                   "no host",
		"redis://:6379":              "no host",
		"redis://cache:99999":        "no port",
		"redis://cache:0":            "no port",
		"redis://cache:x":            "is no URL",
		"redis://a,b":                "several hosts",
		"redis://cache/x":            "database",
		"redis://cache/-1":           "database",
		"redis://cache/1/2":          "database",
		"redis://cache/99999":        "database",
		"redis+cluster://a/1":        "database 0",
		"redis+cluster://a,,b":       "no host",
		"redis+sentinel://a":         "master",
		"redis+sentinel://a/":        "master",
		"redis://u:hunter2@cache":    "password",
		"redis://:hunter2@cache":     "password",
		"redis://cache?password=x":   "parameters",
		"redis://cache?":             "parameters",
		"redis://cache#x":            "parameters",
		"redis+cluster://::1,a":      "is no URL",
		"redis://%zzhunter2@cache":   "is no URL",
		"redis://cache:hunter2/0":    "is no URL",
		"redis+cluster://a:hunter2/": "is no URL",
	} {
		_, err := ParseAddress(text)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds the password: %v", text, err)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"redis://cache:7000/3", "rediss+cluster://u@a:1,b:2", "redis+sentinel://a,b:7/main/2", "redis://[::1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			if !reflect.DeepEqual(a, Address{}) {
				t.Errorf("%q: an error with %+v", text, a)
			}
			return
		}
		if len(a.Hosts) == 0 || a.Cluster && (a.Master != "" || a.Database != 0) || !a.Cluster && a.Master == "" && len(a.Hosts) != 1 {
			t.Errorf("%q: %+v", text, a)
		}
	})
}
