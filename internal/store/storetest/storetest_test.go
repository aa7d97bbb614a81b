package storetest

import (
	"strings"
	"testing"
)

func TestOne(t *testing.T) {
	r := Start(t)
	if r.Do("SET", "k", "v"); r.Do("GET", "k") != "v" {
		t.Error("not kept")
	}
	r.Flush()
	if r.Do("GET", "k") != nil {
		t.Error("not flushed")
	}
	r.Do("SET", "k", "v")
	at := r.Addr
	r.Restart()
	if r.Addr != at || r.Do("GET", "k") != nil {
		t.Error("not restarted")
	}
}

func TestKept(t *testing.T) {
	r := Start(t, "appendonly yes", "appendfsync always")
	r.Do("SET", "k", "v")
	r.Restart()
	if r.Do("GET", "k") != "v" {
		t.Error("not kept")
	}
}

func TestTLS(t *testing.T) {
	r, _ := StartTLS(t)
	if r.Do("PING") != "PONG" || !strings.HasPrefix(r.URL(), "rediss://") {
		t.Error(r.URL())
	}
}

func TestSeveral(t *testing.T) {
	nodes := StartCluster(t, 2)
	if url := ClusterURL(nodes); strings.Count(url, ",") != 1 {
		t.Error(url)
	}
	s := StartSentinel(t)
	s.Master.Kill()
	s.Promoted()
}
