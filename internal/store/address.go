package store

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// An Address is the URL of a Redis, taken apart:
//
//	redis://[user@]host[:port][/database]
//	redis+cluster://[user@]host[:port][,host[:port]…]
//	redis+sentinel://[user@]host[:port][,host[:port]…]/master[/database]
//
// rediss in place of redis is TLS. A password is not part of it: a URL ends up in logs.
type Address struct {
	Hosts    []string // host:port; of the sentinels, when there is a Master
	User     string
	TLS      bool
	Cluster  bool
	Master   string
	Database int
}

// The ports that are meant when none is written.
const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// maxDatabase is the highest database that a Redis can be configured to have, within reason.
const maxDatabase = 1 << 14

// ParseAddress takes the URL of a Redis apart. Its errors never repeat the URL, which may hold a password by mistake.
func ParseAddress(text string) (Address, error) {
	a, err := parseAddress(text)
	if err != nil {
		return Address{}, fmt.Errorf("store: the URL of Redis: %w", err)
	}
	return a, nil
}

func parseAddress(text string) (a Address, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return a, errors.New("is no URL")
	}
	base, kind, plus := strings.Cut(u.Scheme, "+")
	switch {
	case base == "rediss":
		a.TLS = true
	case base != "redis":
		return a, fmt.Errorf("its scheme is %q; use redis, rediss (TLS), redis+cluster, rediss+cluster, redis+sentinel or rediss+sentinel", u.Scheme)
	}
	port := redisPort
	switch {
	case kind == "cluster":
		a.Cluster = true
	case kind == "sentinel":
		port = sentinelPort
	case plus:
		return a, fmt.Errorf("redis+%s is not known; there are redis+cluster and redis+sentinel", kind)
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return a, errors.New("it holds a password; give that by itself (store_password), and have it replaced")
		}
		a.User = u.User.Username()
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return a, errors.New("it has parameters, of which there are none")
	}
	if a.Hosts, err = hosts(u.Host, port); err != nil {
		return a, err
	}
	if kind == "" && len(a.Hosts) > 1 {
		return a, errors.New("it names several hosts; write redis+cluster or redis+sentinel, or one host")
	}
	rest := strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")
	if kind == "sentinel" {
		a.Master, rest, _ = strings.Cut(rest, "/")
		if a.Master == "" {
			return a, errors.New("it does not name the master: redis+sentinel://host:26379/NAME")
		}
	}
	if rest == "" {
		return a, nil
	}
	database, err := strconv.ParseUint(rest, 10, 31)
	if err != nil || database > maxDatabase {
		return a, errors.New("what stands behind the host is no number of a database")
	}
	if a.Cluster && database != 0 {
		return a, errors.New("a cluster has database 0 alone")
	}
	a.Database = int(database)
	return a, nil
}

func hosts(list, port string) ([]string, error) {
	var out []string
	for one := range strings.SplitSeq(list, ",") {
		host, p, err := net.SplitHostPort(one)
		if err != nil {
			host, p = strings.TrimSuffix(strings.TrimPrefix(one, "["), "]"), port
		}
		n, err := strconv.ParseUint(p, 10, 16)
		if host == "" || strings.ContainsAny(host, " /[]") || err != nil || n == 0 {
			return nil, errors.New("it names no host, or no port: host:6379")
		}
		out = append(out, net.JoinHostPort(host, p))
	}
	return out, nil
}
