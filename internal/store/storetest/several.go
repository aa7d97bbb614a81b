package storetest

import (
	"net"
	"strings"
	"testing"
	"time"
)

// StartCluster runs a cluster of n masters.
func StartCluster(t testing.TB, n int, settings ...string) []*Redis {
	t.Helper()
	settings = append([]string{"cluster-enabled yes", "cluster-node-timeout 2000"}, settings...)
	nodes := make([]*Redis, n)
	for i := range nodes {
		nodes[i] = Start(t, settings...)
		nodes[i].Do("CLUSTER", "ADDSLOTSRANGE", i*16384/n, (i+1)*16384/n-1)
		nodes[i].Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	host, port, err := net.SplitHostPort(nodes[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes[1:] {
		node.Do("CLUSTER", "MEET", host, port)
	}
	for _, node := range nodes {
		node.until("every node is known", func() bool {
			info, _ := node.Do("CLUSTER", "INFO").(string)
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384")
		})
	}
	return nodes
}

// ClusterURL names all nodes.
func ClusterURL(nodes []*Redis) string {
	addresses := make([]string, len(nodes))
	for i, n := range nodes {
		addresses[i] = n.Addr
	}
	return "redis+cluster://" + strings.Join(addresses, ",")
}

// Sentinel is a master, its replica and the sentinel that watches them.
type Sentinel struct{ Master, Replica, Watcher *Redis }

// StartSentinel runs a master called "yellowjack" with a replica and a sentinel.
func StartSentinel(t testing.TB, settings ...string) *Sentinel {
	t.Helper()
	s := &Sentinel{Master: Start(t, settings...)}
	host, port, err := net.SplitHostPort(s.Master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.Replica = Start(t, append([]string{"replicaof " + host + " " + port, "repl-diskless-sync-delay 0"}, settings...)...)
	s.Replica.until("it follows its master", func() bool {
		info, _ := s.Replica.Do("INFO", "replication").(string)
		return strings.Contains(info, "master_link_status:up")
	})
	s.Watcher = start(t, nil, []string{"--sentinel"}, []string{
		"sentinel monitor yellowjack " + host + " " + port + " 1",
		"sentinel down-after-milliseconds yellowjack 500", "sentinel failover-timeout yellowjack 2000",
	})
	// It looks every second or ten by itself, which a test would wait for.
	s.Watcher.Do("SENTINEL", "DEBUG", "info-period", 200, "ping-period", 200, "ask-period", 200, "publish-period", 200, "min-link-reconnect-period", 200)
	s.Watcher.until("it knows the replica", func() bool {
		info, _ := s.Watcher.Do("INFO", "sentinel").(string)
		return strings.Contains(info, "slaves=1")
	})
	return s
}

// URL is that of the sentinel.
func (s *Sentinel) URL() string { return "redis+sentinel://" + s.Watcher.Addr + "/yellowjack/0" }

// Promoted waits until the replica is the master.
func (s *Sentinel) Promoted() {
	s.Replica.until("it is the master", func() bool {
		info, _ := s.Replica.Do("INFO", "replication").(string)
		return strings.Contains(info, "role:master")
	})
}

func (r *Redis) until(what string, done func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(starting); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if done() {
			return
		}
	}
	r.t.Fatalf("storetest: %s: not in time that %s", r.Addr, what)
}
