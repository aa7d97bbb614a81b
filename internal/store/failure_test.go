package store

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// TestRedisAway: a Redis that is killed is an error within the deadline, and is found again by itself once it is back.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t, "appendonly yes", "appendfsync always")
	s := open(t, RedisConfig{URL: r.URL(), Timeout: 2 * time.Second, Connections: 4})
	put, get := &Put{Key: "{a}k", Value: []byte("v"), TTL: time.Hour}, &Get{Key: "{a}k"}
	do(t, s, put)
	for range 3 {
		r.Kill()
		for range 10 { // more than there are connections
			began := time.Now()
			if err := s.Do(t.Context(), get); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("away: %v, found %v", err, get.Found)
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("it took %s", took)
			}
		}
		if err := s.Ready(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("ready: %v", err)
		}
		r.Restart()
		eventually(t, func() error { return s.Do(t.Context(), get) })
		if !get.Found || string(get.Value) != "v" {
			t.Errorf("%+v", get)
		}
		eventually(t, func() error { return s.Ready(t.Context()) })
	}
}

// TestRedisStalls: a Redis that keeps its connections and says nothing is an error in time, and no answer is taken for another's later.
func TestRedisStalls(t *testing.T) {
	r := storetest.Start(t)
	s := open(t, RedisConfig{URL: r.URL(), Timeout: time.Second, Connections: 4})
	for i := range 10 {
		do(t, s, &Put{Key: "{a}" + strconv.Itoa(i), Value: []byte(strconv.Itoa(i)), TTL: time.Hour})
	}
	r.Pause()
	at(10, func(i int) {
		began := time.Now()
		if err := s.Do(context.Background(), &Get{Key: "{a}" + strconv.Itoa(i)}); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	r.Resume()
	at(10, func(i int) {
		get := &Get{Key: "{a}" + strconv.Itoa(9-i)}
		eventually(t, func() error { return s.Do(context.Background(), get) })
		if string(get.Value) != strconv.Itoa(9-i) {
			t.Errorf("asked for %d, got %q", 9-i, get.Value)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r.Pause()
	if err := s.Do(ctx, &Get{Key: "{a}1"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the caller's own deadline: %v", err)
	}
	r.Resume()
}

// TestRedisForgets: a Redis that lost everything has no record, and counters that count on.
func TestRedisForgets(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t)
	for name, forget := range map[string]func(){"flushed": r.Flush, "restarted": r.Restart} {
		slot := newSlot()
		s := open(t, RedisConfig{URL: r.URL()})
		reserve := func(once string, amount int64) *Reserve {
			return &Reserve{Once: slot + once, TTL: time.Hour, Amount: amount, Counters: []Counter{{Key: slot + "hour", Limit: 100, TTL: time.Hour}, {Key: slot + "c", Limit: 1000, TTL: time.Minute}}}
		}
		first := &Incr{Key: slot + "e", By: 5, TTL: time.Hour}
		do(t, s, &Put{Key: slot + "k", Value: []byte("v"), TTL: time.Hour}, reserve("1", 90), first)
		forget()
		get, second := &Get{Key: slot + "k"}, &Incr{Key: slot + "e", By: 5, TTL: time.Hour}
		eventually(t, func() error { return s.Do(t.Context(), get) })
		beyond, within := reserve("2", 20), reserve("3", 10)
		do(t, s, second, beyond, within)
		if get.Found {
			t.Errorf("%s: found", name)
		}
		if beyond.Granted || !within.Granted || within.Counters[0].Total != 100 || within.Counters[1].Total != 100 {
			t.Errorf("%s: %+v %+v", name, beyond, within)
		}
		if second.Value <= first.Value {
			t.Errorf("%s: %d after %d", name, second.Value, first.Value)
		}
		if ttl := r.Do("PTTL", slot+"c").(int64); ttl > time.Minute.Milliseconds() || ttl < 1000 {
			t.Errorf("%s: what was left of a minute is %d ms", name, ttl)
		}
		// Others learn of it.
		late := reserve("4", 1)
		if do(t, open(t, RedisConfig{URL: r.URL()}), late); late.Granted || late.Counters[0].Total != 100 {
			t.Errorf("%s, another process: %+v", name, late)
		}
	}
}

// TestRedisTurnsUnfit: a Redis that is told to evict later on is no longer ready, and gets no new connection.
func TestRedisTurnsUnfit(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t)
	s := open(t, RedisConfig{URL: r.URL()})
	r.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	if err := s.Ready(t.Context()); !errors.Is(err, ErrUnfit) {
		t.Error(err)
	}
	r.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	if err := s.Do(t.Context(), &Get{Key: "{a}k"}); !errors.Is(err, ErrUnfit) || !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	r.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	eventually(t, func() error { return s.Do(t.Context(), &Get{Key: "{a}k"}) })
}

// TestRedisFailsOver: the sentinel's new master is found, and what is unfit about it noticed.
func TestRedisFailsOver(t *testing.T) {
	t.Parallel()
	sentinel := storetest.StartSentinel(t)
	s := open(t, RedisConfig{URL: sentinel.URL(), Timeout: 2 * time.Second})
	reserve := func(once string) *Reserve {
		return &Reserve{Once: "{a}" + once, TTL: time.Hour, Amount: 60, Counters: []Counter{{Key: "{a}c", Limit: 100, TTL: time.Hour}}}
	}
	do(t, s, &Put{Key: "{a}k", Value: []byte("v"), TTL: time.Hour}, reserve("1"))
	sentinel.Master.Kill()
	sentinel.Promoted()
	second := reserve("2")
	eventually(t, func() error { return s.Do(t.Context(), second) })
	if second.Granted {
		t.Errorf("%+v", second)
	}
	sentinel.Replica.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	sentinel.Replica.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	if err := s.Do(t.Context(), &Get{Key: "{a}k"}); !errors.Is(err, ErrUnfit) {
		t.Error(err)
	}
}

// TestRedisHandsOver: a master that is made a replica, and goes on running, is not read any more.
func TestRedisHandsOver(t *testing.T) {
	t.Parallel()
	sentinel := storetest.StartSentinel(t)
	s := open(t, RedisConfig{URL: sentinel.URL(), Timeout: 2 * time.Second})
	at(4, func(int) { do(t, s, &Put{Key: "{a}k", Value: []byte("old"), TTL: time.Hour}) }) // there are several connections
	eventually(t, func() error {
		_, err := sentinel.Watcher.Try("SENTINEL", "FAILOVER", "yellowjack")
		return err
	})
	sentinel.Promoted()
	sentinel.Replica.Do("DEL", "{a}k")
	sentinel.Master.Do("CONFIG", "SET", "repl-timeout", "1")
	eventually(t, func() error {
		if info, _ := sentinel.Master.Do("INFO", "replication").(string); !strings.Contains(info, "role:slave") {
			return errors.New("it is the master still")
		}
		return nil
	})
	var errs atomic.Int32
	at(8, func(int) {
		for range 20 {
			get := &Get{Key: "{a}k"}
			if err := s.Do(context.Background(), get); err != nil {
				errs.Add(1)
				time.Sleep(10 * time.Millisecond)
			} else if get.Found {
				t.Error("read from what was the master")
			}
		}
	})
	eventually(t, func() error { return s.Do(t.Context(), &Put{Key: "{a}k", Value: []byte("new"), TTL: time.Hour}) })
	t.Logf("%d errors on the way", errs.Load())
}

// TestRedisClusterAway: a node that is away is an error for those whose records it has, until it is back.
func TestRedisClusterAway(t *testing.T) {
	t.Parallel()
	nodes := storetest.StartCluster(t, 3, "cluster-require-full-coverage no", "appendonly yes", "appendfsync always")
	s := open(t, RedisConfig{URL: storetest.ClusterURL(nodes), Timeout: 2 * time.Second})
	const slots = 20
	key := func(i int) string { return "{" + strconv.Itoa(i) + "}k" }
	for i := range slots {
		do(t, s, &Put{Key: key(i), Value: []byte("v"), TTL: time.Hour})
	}
	nodes[1].Kill()
	failed := 0
	for i := range slots {
		get := &Get{Key: key(i)}
		if err := s.Do(t.Context(), get); err != nil {
			failed++
			if !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		} else if !get.Found {
			t.Errorf("%d is not found", i)
		}
	}
	if failed == 0 || failed == slots {
		t.Errorf("%d of %d failed", failed, slots)
	}
	nodes[1].Restart()
	for i := range slots {
		get := &Get{Key: key(i)}
		eventually(t, func() error { return s.Do(t.Context(), get) })
		if !get.Found {
			t.Errorf("%d is not found", i)
		}
	}
}

// TestRedisAnswerLost: a batch whose answer is lost is an error, and was sent once.
func TestRedisAnswerLost(t *testing.T) {
	t.Parallel()
	t.Run("one", func(t *testing.T) {
		w := newWire(t)
		r := storetest.Start(t)
		w.to.Store(&r.Addr)
		answerLost(t, w, r, "redis://"+w.addr)
	})
	t.Run("cluster", func(t *testing.T) {
		w := newWire(t)
		r := storetest.StartCluster(t, 1, "cluster-announce-port "+w.addr[strings.LastIndex(w.addr, ":")+1:])[0]
		w.to.Store(&r.Addr)
		answerLost(t, w, r, "redis+cluster://"+w.addr)
	})
}

func answerLost(t *testing.T, w *wire, r *storetest.Redis, url string) {
	s := open(t, RedisConfig{URL: url, Timeout: 2 * time.Second})
	do(t, s, &Put{Key: "{a}k", Value: []byte("v"), TTL: time.Hour})
	do(t, s, &Put{Key: "{a}l", Value: []byte("v"), TTL: time.Hour})
	r.Do("CONFIG", "RESETSTAT")
	w.cut.Store(true)
	take := &Take{Key: "{a}k"}
	if err := s.Do(t.Context(), take); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v: %+v", err, take)
	}
	if stat, _ := r.Do("INFO", "commandstats").(string); !strings.Contains(stat, "cmdstat_evalsha:calls=1,") {
		t.Errorf("not sent once: %s", stat)
	}
	get := &Get{Key: "{a}l"}
	eventually(t, func() error { return s.Do(t.Context(), take, get) })
	if take.Found || !get.Found {
		t.Errorf("%+v %+v", take, get)
	}
}

// wire passes a connection on, and cuts it before the next answer when cut is set.
type wire struct {
	addr string
	to   atomic.Pointer[string]
	cut  atomic.Bool
}

func newWire(t *testing.T) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	var running sync.WaitGroup
	var conns sync.Map
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", *w.to.Load()) //nolint:noctx // a test's
			if err != nil {
				_ = in.Close()
				continue
			}
			conns.Store(in, true)
			conns.Store(out, true)
			running.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
			running.Go(func() {
				defer func() { _ = in.Close() }()
				buf := make([]byte, 1<<16)
				for {
					n, err := out.Read(buf)
					if err != nil || w.cut.CompareAndSwap(true, false) {
						return
					}
					if _, err := in.Write(buf[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
		running.Wait()
	})
	return w
}

// TestRedisCloses: nothing stays behind.
func TestRedisCloses(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("closed", func(t *testing.T) {
		r := storetest.Start(t)
		s, err := Redis(t.Context(), RedisConfig{URL: r.URL(), Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		do(t, s, &Get{Key: "{a}k"})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Do(t.Context(), &Get{Key: "{a}k"}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("after its end: %v", err)
		}
	})
}
