package conf

func (d *decoder) check(c *Config) {}
