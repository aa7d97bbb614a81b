package store

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts by it
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisConfig says where Redis is. Zero fields take their defaults.
type RedisConfig struct {
	URL      string // see Address
	Password string
	// SentinelUser and SentinelPassword are those of the sentinels, when they want one.
	SentinelUser, SentinelPassword string
	CAFile                         string // PEM: who signed the server's certificate; default the system's roots
	CertFile, KeyFile              string // PEM: our own certificate, when the server wants one
	Timeout                        time.Duration
	SlotBytes                      int64 // of the records of one principal; default 32 MiB
	Connections                    int   // to one server at most; default 64
	Log                            *slog.Logger
}

// Defaults of a RedisConfig.
const (
	defaultTimeout     = 500 * time.Millisecond
	defaultSlotBytes   = 32 << 20
	defaultConnections = 64
)

// lifetime is how long a connection is used: the server behind it is looked at again then.
const lifetime = 5 * time.Minute

// shared is a Store in Redis.
type shared struct {
	c       RedisConfig
	client  redis.UniversalClient
	cluster *redis.ClusterClient // the same, when it is one
	sha     string
	seen    *floors
}

// Redis opens a Store that processes share. It refuses a Redis that may evict what it keeps, that is too old or a replica. Every
// connection that is made later is looked at in the same way, so that a failover to such a server is an error too.
//
// Each Do is one script, which Redis runs as one step, on the master. It is sent once: a batch whose answer was lost may have been run, and
// a second Take or Lock would be answered otherwise. While Redis is away every Do fails within the Timeout, and
// at once when nobody listens; connections are made anew as soon as it is back.
//
// The user needs: +info +eval +evalsha +time, +get +set +del +exists +strlen +pttl +pexpiretime +pexpireat, +hget +hmget +hgetall +hset +hsetnx +hdel
// +hkeys +hincrby, +zadd +zrange +zrem +zcard, keys ~{*; in a cluster +cluster|slots besides.
func Redis(ctx context.Context, c RedisConfig) (Store, error) {
	c.defaults()
	address, err := ParseAddress(c.URL)
	if err != nil {
		return nil, err
	}
	options, err := c.options(address)
	if err != nil {
		return nil, err
	}
	redis.SetLogger(quiet{c.Log})
	sum := sha1.Sum([]byte(script)) //nolint:gosec // as above
	s := &shared{c: c, sha: hex.EncodeToString(sum[:]), seen: newFloors()}
	switch {
	case address.Cluster:
		cluster := options.Cluster()
		cluster.DisableRoutingPolicies = true // they ask for every command's description; ours has its keys where all have
		s.cluster = redis.NewClusterClient(cluster)
		s.client = s.cluster
	default:
		s.client = redis.NewUniversalClient(options)
	}
	if err := s.Ready(ctx); err != nil {
		_ = s.client.Close()
		return nil, fmt.Errorf("%w (at %s)", err, strings.Join(address.Hosts, ", "))
	}
	return s, nil
}

func (c *RedisConfig) defaults() {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.SlotBytes == 0 {
		c.SlotBytes = defaultSlotBytes
	}
	if c.Connections == 0 {
		c.Connections = defaultConnections
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func (c *RedisConfig) options(a Address) (*redis.UniversalOptions, error) {
	encrypted, err := c.tls(a)
	if err != nil {
		return nil, err
	}
	return &redis.UniversalOptions{
		Addrs: a.Hosts, MasterName: a.Master, IsClusterMode: a.Cluster, DB: a.Database,
		Username: a.User, Password: c.Password, SentinelUsername: c.SentinelUser, SentinelPassword: c.SentinelPassword,
		TLSConfig: encrypted, OnConnect: c.inspect(a.Cluster),
		DialTimeout: c.Timeout, ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, PoolTimeout: c.Timeout, ContextTimeoutEnabled: true,
		PoolSize: c.Connections, MaxActiveConns: c.Connections, ConnMaxLifetime: lifetime, ConnMaxLifetimeJitter: lifetime / 5, PipelinePoolSize: -1, DialerRetries: 1, MaxRetries: -1,
		DisableIdentity: true, Protocol: 2,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}, nil
}

func (c *RedisConfig) tls(a Address) (*tls.Config, error) {
	if !a.TLS {
		if c.CAFile != "" || c.CertFile != "" {
			return nil, errors.New("store: a CA or a certificate is given, but the URL does without TLS; write rediss")
		}
		return nil, nil //nolint:nilnil // no TLS
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("store: the CA's certificate: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("store: the CA's file holds no certificate")
		}
	}
	if c.CertFile != "" || c.KeyFile != "" {
		own, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("store: our own certificate: %w", err)
		}
		out.Certificates = []tls.Certificate{own}
	}
	return out, nil
}

// once is a command that is sent once.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }

// Do runs a batch as one script.
func (s *shared) Do(ctx context.Context, ops ...Op) error {
	if len(ops) == 0 {
		return nil
	}
	b, err := check(ops)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	e := encode(ops, b, s.c.SlotBytes, s.seen)
	reply, err := s.send(ctx, "evalsha", s.sha, e)
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") { // it was not run: Redis is new, or was flushed
		reply, err = s.send(ctx, "eval", script, e)
	}
	if err == nil {
		err = decode(ops, reply, s.seen)
	}
	switch {
	case err == nil:
		return nil
	case redis.HasErrorPrefix(err, "QUOTA"):
		return ErrQuota
	}
	if s.cluster != nil {
		s.cluster.ReloadState(ctx) // the master may be another by now
	}
	return away(err)
}

func (s *shared) send(ctx context.Context, command, script string, e *encoder) (any, error) {
	args := make([]any, 0, 3+len(e.keys)+len(e.args))
	args = append(args, command, script, len(e.keys))
	for _, k := range e.keys {
		args = append(args, k)
	}
	cmd := once{redis.NewCmd(ctx, append(args, e.args...)...)}
	if err := s.client.Process(ctx, cmd); err != nil {
		return nil, err
	}
	return cmd.Result()
}

// Ready asks every master what inspect wants to know.
func (s *shared) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	var masters atomic.Int32
	look := func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx).Result()
		if err != nil {
			return err
		}
		masters.Add(1)
		return fit(info, s.cluster != nil)
	}
	var err error
	if s.cluster != nil {
		err = s.cluster.ForEachMaster(ctx, look)
	} else {
		err = look(ctx, s.client.(*redis.Client))
	}
	switch {
	case err != nil:
		return away(err)
	case masters.Load() == 0:
		return fmt.Errorf("%w: the cluster knows of no master", ErrUnavailable)
	}
	return nil
}

func (s *shared) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("store: closing: %w", err)
	}
	return nil
}

// away wraps what kept Redis from answering.
func away(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// quiet passes what go-redis has to say to our log. It has one logger for all clients of a process.
type quiet struct{ log *slog.Logger }

// Printf is for go-redis.
func (q quiet) Printf(ctx context.Context, format string, args ...any) {
	q.log.DebugContext(ctx, "store: "+fmt.Sprintf(format, args...))
}
