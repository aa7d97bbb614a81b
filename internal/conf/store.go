package conf

import (
	"crypto/tls"
	"net/url"
	"slices"
	"strings"
)

// storeSchemes are the kinds of Redis that a store can be.
var storeSchemes = []string{"redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"}

func (d *decoder) store(c *Config) {
	if c.Store == "memory" || d.failed(path{"store"}) {
		return
	}
	scheme, _, ok := strings.Cut(c.Store, "://")
	if !ok || !slices.Contains(storeSchemes, scheme) {
		d.bad(path{"store"}, "is no store", "write memory, or a URL such as redis://host:6379/0")
		return
	}
	u, err := url.Parse(c.Store)
	switch {
	case err != nil || u.Host == "":
		d.bad(path{"store"}, "is no URL", "write one such as redis://host:6379/0")
	case u.User != nil:
		if _, has := u.User.Password(); has {
			d.bad(path{"store"}, "has a password in it", "keep the user's name there, give the password by store_password, and have it replaced")
		}
	}
	if c.StoreKey.IsZero() {
		d.bad(path{"store"}, "needs store_key: what Redis keeps is encrypted", "add store_key: {file: …} with at least 32 random bytes, such as of `openssl rand -hex 32`")
	}
}

// storeSecrets looks at what the store is opened with.
func (d *decoder) storeSecrets(c *Config) {
	d.storeKey(path{"store_key"}, c.StoreKey)
	for i, seal := range c.StoreSeals {
		d.storeKey(path{"store_seals"}.item(i), seal)
	}
	if len(c.StoreSeals) > 0 && c.StoreKey.IsZero() {
		d.bad(path{"store_seals"}, "is nothing without store_key, which names the records", "add store_key, or remove it")
	}
	d.readable(path{"store_password"}, c.StorePassword)
	d.readable(path{"store_sentinel_password"}, c.StoreSentinelPassword)
	if (c.StoreSentinelUser != "" || !c.StoreSentinelPassword.IsZero()) && !strings.Contains(c.Store, "+sentinel://") {
		d.bad(d.written(path{"store_sentinel_user"}, path{"store_sentinel_password"}), "the store has no sentinels", "write store: redis+sentinel://…, or remove it")
	}
	d.roots(path{"store_ca_file"}, c.StoreCAFile)
	d.storeCertificate(c)
}

func (d *decoder) storeKey(p path, s Secret) {
	d.readable(p, s)
	if key, err := s.Reveal(); err == nil && !s.IsZero() && len(key) < 32 {
		d.bad(p, "is shorter than 32 characters", "make a new one, such as by `openssl rand -hex 32`")
	}
}

// storeCertificate looks at the certificate that is shown to Redis.
func (d *decoder) storeCertificate(c *Config) {
	cert, key := path{"store_cert_file"}, path{"store_cert_key_file"}
	if c.StoreCertFile == "" && c.StoreCertKeyFile == "" {
		return
	}
	at := d.written(cert, key)
	if c.StoreCertFile == "" || c.StoreCertKeyFile == "" {
		d.bad(at, "is half of a pair", "give store_cert_file and store_cert_key_file, or neither")
		return
	}
	if !strings.HasPrefix(c.Store, "rediss") {
		d.bad(at, "is shown to nobody: the store is reached without TLS", "write rediss in store, or remove it")
	}
	if _, err := tls.LoadX509KeyPair(c.StoreCertFile, c.StoreCertKeyFile); err != nil {
		d.bad(at, "makes no pair: "+withoutPath(err).Error(), "name a certificate and its key, both PEM; relative paths start at "+d.dir)
	}
}
