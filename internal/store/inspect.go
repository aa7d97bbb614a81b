package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// oldestRedis is the first that can say when a record expires.
const oldestRedis = 7

// ErrUnfit is a Redis that cannot be trusted to keep what it is given. It comes with ErrUnavailable.
var ErrUnfit = errors.New("store: this Redis cannot be used")

// unfit says why. It wraps nothing, since go-redis hands on what a connection's error wraps in place of that.
type unfit struct{ why string }

func (u *unfit) Error() string { return ErrUnfit.Error() + ": " + u.why }

// Is tells what it is, in place of wrapping that.
func (u *unfit) Is(target error) bool { return target == ErrUnfit || target == ErrUnavailable }

func unfitf(format string, args ...any) error { return &unfit{fmt.Sprintf(format, args...)} }

// inspect looks at a server as soon as there is a connection to it.
func (c *RedisConfig) inspect(cluster bool) func(context.Context, *redis.Conn) error {
	return func(ctx context.Context, conn *redis.Conn) error {
		info, err := conn.Info(ctx).Result()
		if redis.HasErrorPrefix(err, "NOPERM") {
			return unfitf("its user must be allowed INFO: %v", err)
		}
		if err != nil {
			return err
		}
		return fit(info, cluster)
	}
}

// fit tells from a server's INFO why it cannot be used.
func fit(info string, cluster bool) error {
	said := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			said[name] = value
		}
	}
	major, _, _ := strings.Cut(said["redis_version"], ".")
	version, err := strconv.Atoi(major)
	switch policy := said["maxmemory_policy"]; {
	case said["redis_mode"] == "sentinel":
		return nil // it keeps nothing
	case err != nil || version < oldestRedis:
		return unfitf("its version is %q; at least %d is needed", said["redis_version"], oldestRedis)
	case policy != "noeviction":
		return unfitf("its maxmemory-policy is %q, so it may forget labels; set it to noeviction", policy)
	case said["role"] != "master":
		return unfitf("it is a replica (role %q); name the master, or use redis+sentinel", said["role"])
	case cluster && said["cluster_enabled"] != "1":
		return unfitf("it is no cluster; write redis in place of redis+cluster")
	case !cluster && said["cluster_enabled"] == "1":
		return unfitf("it is part of a cluster; write redis+cluster in place of redis")
	}
	return nil
}
