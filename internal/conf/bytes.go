package conf

import (
	"fmt"
	"strconv"
	"strings"
)

// Bytes is a size. In YAML it is a number of bytes or a number with KiB, MiB or GiB.
type Bytes int64

var byteUnits = [...]struct {
	name string
	size Bytes
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String writes the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b >= u.size && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.name)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// parseBytes reads what String writes.
func parseBytes(s string) (Bytes, bool) {
	unit := Bytes(1)
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = strings.TrimSpace(n), u.size
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/int64(unit) {
		return 0, false
	}
	return Bytes(n) * unit, true
}
