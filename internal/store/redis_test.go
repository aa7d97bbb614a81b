package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yellowjack/yellowjack/internal/store/storetest"
)

// TestRedisUnfit: what may forget, or cannot do what is asked of it, is refused at start, with a reason.
func TestRedisUnfit(t *testing.T) {
	t.Parallel()
	master := storetest.Start(t, "requirepass secret", "user sara on >hers ~{* +@all -info")
	port := master.Addr[strings.LastIndex(master.Addr, ":")+1:]
	cluster := storetest.StartCluster(t, 1)
	secured, certificates := storetest.StartTLS(t)
	other := storetest.NewCertificates(t)
	nonsense := filepath.Join(t.TempDir(), "nonsense.pem")
	if err := os.WriteFile(nonsense, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config RedisConfig
		why    string
	}{
		"evicts":                 {RedisConfig{URL: storetest.Start(t, "maxmemory-policy allkeys-lru").URL()}, "set it to noeviction"},
		"evicts what expires":    {RedisConfig{URL: storetest.Start(t, "maxmemory-policy volatile-ttl").URL()}, `"volatile-ttl"`},
		"a replica":              {RedisConfig{URL: storetest.Start(t, "replicaof 127.0.0.1 "+port).URL()}, "replica"},
		"part of a cluster":      {RedisConfig{URL: cluster[0].URL()}, "write redis+cluster"},
		"no cluster":             {RedisConfig{URL: strings.Replace(storetest.Start(t).URL(), "redis:", "redis+cluster:", 1)}, "no cluster"},
		"no password":            {RedisConfig{URL: master.URL()}, "NOAUTH"},
		"a wrong password":       {RedisConfig{URL: master.URL(), Password: "hunter2"}, "WRONGPASS"},
		"no INFO":                {RedisConfig{URL: strings.Replace(master.URL(), "//", "//sara@", 1), Password: "hers"}, "must be allowed INFO"},
		"nobody listens":         {RedisConfig{URL: "redis://127.0.0.1:1"}, "refused"},
		"nobody listens, either": {RedisConfig{URL: "redis+cluster://127.0.0.1:1"}, "127.0.0.1:1"},
		"no sentinel":            {RedisConfig{URL: "redis+sentinel://127.0.0.1:1/main"}, "127.0.0.1:1"},
		"no URL":                 {RedisConfig{URL: "memory"}, "scheme"},
		"TLS is wanted":          {RedisConfig{URL: strings.Replace(secured.URL(), "rediss", "redis", 1)}, secured.Addr},
		"a stranger's CA":        {RedisConfig{URL: secured.URL(), CAFile: other.CA, CertFile: certificates.Cert, KeyFile: certificates.Key}, "certificate"},
		"the system's CAs":       {RedisConfig{URL: secured.URL(), CertFile: certificates.Cert, KeyFile: certificates.Key}, "certificate"},
		"no certificate":         {RedisConfig{URL: secured.URL(), CAFile: certificates.CA}, secured.Addr},
		"no such CA":             {RedisConfig{URL: secured.URL(), CAFile: "/nowhere.pem"}, "/nowhere.pem"},
		"a CA that is none":      {RedisConfig{URL: secured.URL(), CAFile: nonsense}, "no certificate"},
		"half a certificate":     {RedisConfig{URL: secured.URL(), CertFile: certificates.Cert}, "our own certificate"},
		"a CA without TLS":       {RedisConfig{URL: master.URL(), CAFile: certificates.CA}, "write rediss"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Timeout = 5 * time.Second
			s, err := Redis(t.Context(), c.config)
			if err == nil {
				_ = s.Close()
				t.Fatal("taken")
			}
			if !strings.Contains(err.Error(), c.why) || !strings.HasPrefix(err.Error(), "store: ") || strings.Contains(err.Error(), "hunter2") {
				t.Error(err)
			}
		})
	}
}

func TestFit(t *testing.T) {
	good := "# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\nmaxmemory_policy:noeviction\r\nrole:master\r\ncluster_enabled:0\r\n"
	if err := fit(good, false); err != nil {
		t.Error(err)
	}
	for from, to := range map[string]string{
		"7.2.4": "6.2.14", "redis_version:7.2.4": "version:none", "noeviction": "allkeys-lfu", "maxmemory_policy:noeviction\r\n": "", "role:master": "role:slave", "cluster_enabled:0": "cluster_enabled:1",
	} {
		if err := fit(strings.Replace(good, from, to, 1), false); !errors.Is(err, ErrUnfit) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if fit("", false) == nil || fit(good, true) == nil {
		t.Error("taken")
	}
}

func TestRedisTLS(t *testing.T) {
	r, c := storetest.StartTLS(t, "user default off", "user sara on >hers ~{* +@all")
	s := open(t, RedisConfig{URL: strings.Replace(r.URL(), "//", "//sara@", 1), Password: "hers", CAFile: c.CA, CertFile: c.Cert, KeyFile: c.Key})
	get := &Get{Key: "{a}k"}
	if do(t, s, &Put{Key: "{a}k", Value: []byte("v"), TTL: time.Hour}, get); !get.Found {
		t.Errorf("%+v", get)
	}
}

// TestRedisUser: a user who may do what the documentation of Redis says and nothing else can run every operation.
func TestRedisUser(t *testing.T) {
	t.Parallel()
	allowed := documented(t)
	r := storetest.Start(t, "user sara on >hers ~{* -@all "+allowed)
	s := open(t, RedisConfig{URL: strings.Replace(r.URL(), "//", "//sara@", 1), Password: "hers"})
	for _, ops := range everyOp("{a}") {
		do(t, s, ops...)
	}
	for _, op := range strings.Fields(allowed) {
		t.Run(op, func(t *testing.T) {
			r := storetest.Start(t, "user sara on >hers ~{* -@all "+strings.Replace(allowed+" ", op+" ", "", 1))
			s, err := Redis(t.Context(), RedisConfig{URL: strings.Replace(r.URL(), "//", "//sara@", 1), Password: "hers", Timeout: 5 * time.Second})
			if err == nil {
				defer func() { _ = s.Close() }()
				for _, ops := range everyOp("{a}") {
					err = errors.Join(err, s.Do(t.Context(), ops...))
					r.Do("HSET", "{a}"+account, "first", "1") // it was long ago
				}
			}
			if err == nil {
				t.Errorf("%s is not needed", op)
			}
		})
	}
}

// TestRedisClusterUser: so can one in a cluster.
func TestRedisClusterUser(t *testing.T) {
	t.Parallel()
	nodes := storetest.StartCluster(t, 2, "user sara on >hers ~{* -@all +cluster|slots "+documented(t))
	s := open(t, RedisConfig{URL: strings.Replace(storetest.ClusterURL(nodes), "//", "//sara@", 1), Password: "hers"})
	for _, slot := range []string{"{a}", "{b}", "{c}"} {
		for _, ops := range everyOp(slot) {
			do(t, s, ops...)
		}
	}
}

// documented is what the documentation of Redis says that a user needs.
func documented(t *testing.T) string {
	source, err := os.ReadFile("redis.go")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, _ := strings.Cut(string(source), "The user needs:")
	doc, _, _ = strings.Cut(doc, "in a cluster")
	return strings.Join(regexp.MustCompile(`\+[a-z|]+`).FindAllString(doc, -1), " ")
}

// everyOp is each operation, in what it can meet.
func everyOp(slot string) [][]Op {
	reserve := func(once string) *Reserve {
		return &Reserve{Once: slot + once, TTL: time.Hour, Amount: 1, Counters: []Counter{{Key: slot + "c", Limit: 2, TTL: time.Hour}}}
	}
	once := []Op{
		&Union{Key: slot + "n", Members: []string{"m"}, TTL: time.Hour}, &Put{Key: slot + "k", Value: []byte("v"), Next: slot + "n", TTL: time.Hour, IfAbsent: true},
		&Get{Key: slot + "k", Follow: true}, &Members{Key: slot + "n"}, reserve("1"), reserve("2"), reserve("3"), &Lock{Key: slot + "l", Owner: "me", TTL: time.Hour},
		&PutOwned{Lock: slot + "l", Owner: "me", Key: slot + "p", TTL: time.Hour}, &Incr{Key: slot + "i", By: 1, TTL: time.Hour}, &Take{Key: slot + "p"}, &Delete{Key: slot + "n"},
		&Raise{Key: slot + "b", Mark: "1", Value: 1, Most: 1, TTL: time.Hour}, &Raise{Key: slot + "b", Mark: "2", Value: 1, Most: 1, TTL: time.Hour}, &Marks{Key: slot + "b", Limit: 1, TTL: time.Hour},
	}
	var gone []Op
	for _, name := range []string{"k", "1", "2", "3", "c", "i"} {
		gone = append(gone, &Delete{Key: slot + name})
	}
	return [][]Op{once, once, gone}
}

// TestRedisRoundTrips: a batch is one command on a connection that there is, whatever is in it.
func TestRedisRoundTrips(t *testing.T) {
	r := storetest.Start(t)
	s := open(t, RedisConfig{URL: r.URL()})
	do(t, s, everyOp("{a}")[0]...)
	r.Do("CONFIG", "RESETSTAT")
	for range 10 {
		do(t, s, everyOp("{a}")[0]...)
	}
	calls := map[string]string{}
	for _, line := range regexp.MustCompile(`cmdstat_(\S+):calls=(\d+)`).FindAllStringSubmatch(fmt.Sprint(r.Do("INFO", "commandstats")), -1) {
		calls[line[1]] = line[2]
	}
	if calls["evalsha"] != "10" || calls["eval"] != "" || calls["hello"] > "1" || calls["auth"] != "" {
		t.Errorf("%v", calls)
	}
}

// TestRedisQuota: a principal's account is what its records take, and goes down as they go.
func TestRedisQuota(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t)
	s := open(t, RedisConfig{URL: r.URL(), SlotBytes: 1 << 16})
	do(t, s, &Put{Key: "{b}k", Value: []byte("v"), TTL: time.Hour})
	value, refused := make([]byte, 1000), 0
	for i := range 200 {
		err := s.Do(t.Context(), &Put{Key: fmt.Sprintf("{a}%d", i), Value: value, TTL: time.Hour})
		if errors.Is(err, ErrQuota) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	first, never := &Get{Key: "{a}0"}, &Get{Key: "{a}199"}
	do(t, s, first, never)
	if refused < 130 || refused > 150 || !first.Found || never.Found {
		t.Errorf("%d refused, %v %v", refused, first.Found, never.Found)
	}
	if err := s.Do(t.Context(), &Put{Key: "{a}small", TTL: time.Hour}, &Put{Key: "{a}0", Value: make([]byte, 2000), TTL: time.Hour}); !errors.Is(err, ErrQuota) {
		t.Errorf("a batch of which a part has room: %v", err)
	}
	do(t, s, &Put{Key: "{b}l", Value: value, TTL: time.Hour})
	for i := range 200 {
		do(t, s, &Delete{Key: fmt.Sprintf("{a}%d", i)})
	}
	if used := r.Do("HGET", "{a}"+account, "used"); used != "0" {
		t.Errorf("%v bytes are held by nothing", used)
	}
	for range 300 { // the same record again and again takes no more
		do(t, s, &Put{Key: "{a}again", Value: value, TTL: time.Hour}, &Union{Key: "{a}set", Members: []string{"m", "n"}, TTL: time.Hour}, &Lock{Key: "{a}l", Owner: "me", TTL: time.Hour},
			&PutOwned{Lock: "{a}l", Owner: "me", Key: "{a}owned", Value: value, TTL: time.Hour}, &Incr{Key: "{a}i", By: 1, TTL: time.Hour})
	}
	do(t, s, &Take{Key: "{a}again"}, &Delete{Key: "{a}set"}, &Delete{Key: "{a}owned"}, &Delete{Key: "{a}i"})
	if used := r.Do("HGET", "{a}"+account, "used"); used != "0" {
		t.Errorf("%v bytes are held by nothing", used)
	}
}

// TestRedisQuotaExpires: what has expired leaves the account.
func TestRedisQuotaExpires(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t)
	s := open(t, RedisConfig{URL: r.URL(), SlotBytes: 4000})
	do(t, s, &Put{Key: "{a}k", Value: make([]byte, 3000), TTL: 50 * time.Millisecond})
	put := &Put{Key: "{a}l", Value: make([]byte, 3000), TTL: time.Hour}
	time.Sleep(100 * time.Millisecond)
	if err := s.Do(t.Context(), put); !errors.Is(err, ErrQuota) {
		t.Fatalf("the account is kept by the span, and this one is not over: %v", err)
	}
	// An hour passes: the spans that the account knows are now long ago.
	state := r.Do("HGETALL", "{a}"+account).([]any)
	r.Do("DEL", "{a}"+account)
	for i := 0; i < len(state); i += 2 {
		name, value := state[i].(string), state[i+1].(string)
		var span int64
		if n, _ := fmt.Sscan(name, &span); n == 1 {
			name = fmt.Sprint(span - 6)
		} else if n, _ := fmt.Sscan(value, &span); n == 1 && name == "first" {
			value = fmt.Sprint(span - 6)
		}
		r.Do("HSET", "{a}"+account, name, value)
	}
	do(t, s, put)
	if used := r.Do("HGET", "{a}"+account, "used"); used != fmt.Sprint(overhead+len("{a}l")+2+3000) {
		t.Errorf("used is %v", used)
	}
	if ttl := r.Do("PTTL", "{a}"+account).(int64); ttl < int64(time.Hour/time.Millisecond) || ttl > int64(70*time.Minute/time.Millisecond) {
		t.Errorf("the account expires in %d ms", ttl)
	}
}

// TestRedisFull: a Redis whose memory is used up forgets nothing, and says so.
func TestRedisFull(t *testing.T) {
	t.Parallel()
	r := storetest.Start(t, "maxmemory 4mb")
	s := open(t, RedisConfig{URL: r.URL()})
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = s.Do(t.Context(), &Put{Key: fmt.Sprintf("{%d}k", n), Value: make([]byte, 20_000), TTL: time.Hour})
	}
	if !errors.Is(err, ErrUnavailable) || n < 20 {
		t.Fatalf("after %d: %v", n, err)
	}
	for i := range n - 1 {
		get := &Get{Key: fmt.Sprintf("{%d}k", i)}
		if do(t, s, get); !get.Found {
			t.Fatalf("%d of %d was forgotten", i, n)
		}
	}
	r.Do("CONFIG", "SET", "maxmemory", "2mb") // whatever buffers come and go
	one, two := &Put{Key: "{0}k", TTL: time.Hour}, &Put{Key: "{0}l", Value: make([]byte, 20_000), TTL: time.Hour}
	get := &Get{Key: "{0}k"}
	if err := s.Do(t.Context(), one, two); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if do(t, s, get); len(get.Value) != 20_000 {
		t.Error("a part of a refused batch was done")
	}
}
