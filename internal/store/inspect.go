package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// oldestRedis is the first that can say when a record expires.
const oldestRedis = 7

// ErrUnfit is a Redis that cannot be trusted to keep what it is given.
var ErrUnfit = fmt.Errorf("%w: this Redis cannot be used", ErrUnavailable)

// inspect looks at a server as soon as there is a connection to it.
func (c *RedisConfig) inspect(cluster bool) func(context.Context, *redis.Conn) error {
	return func(ctx context.Context, conn *redis.Conn) error {
		info, err := conn.Info(ctx).Result()
		if err != nil {
			return fmt.Errorf("asking for INFO, which the user must be allowed: %w", err)
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
		return fmt.Errorf("%w: its version is %q; at least %d is needed", ErrUnfit, said["redis_version"], oldestRedis)
	case policy != "noeviction":
		return fmt.Errorf("%w: its maxmemory-policy is %q, so it may forget labels; set it to noeviction", ErrUnfit, policy)
	case said["role"] != "master":
		return fmt.Errorf("%w: it is a replica (role %q); name the master, or use redis+sentinel", ErrUnfit, said["role"])
	case cluster && said["cluster_enabled"] != "1":
		return fmt.Errorf("%w: it is no cluster; write redis in place of redis+cluster", ErrUnfit)
	case !cluster && said["cluster_enabled"] == "1":
		return fmt.Errorf("%w: it is part of a cluster; write redis+cluster in place of redis", ErrUnfit)
	}
	return nil
}
