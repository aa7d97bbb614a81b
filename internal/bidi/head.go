package bidi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

// head is what a call's headers say that matters here.
type head struct {
	size      int
	method    string
	path      string
	content   string
	encoding  string
	timeout   string
	said      []metadata
	malformed bool
	regular   bool // a header that is no pseudo-header was seen: none of those may follow
}

// field takes one header, as the decoder reads it.
func (c *conn) field(f hpack.HeaderField) {
	h := &c.head
	h.size += int(f.Size())
	if !strings.HasPrefix(f.Name, ":") {
		h.regular = true
	}
	put := func(into *string) {
		h.malformed = h.malformed || *into != "" || h.regular && f.IsPseudo()
		*into = f.Value
	}
	switch f.Name {
	case ":method":
		put(&h.method)
	case ":path":
		put(&h.path)
	case ":scheme", ":authority":
		h.malformed = h.malformed || h.regular
	case "content-type":
		put(&h.content)
	case "grpc-encoding":
		put(&h.encoding)
	case "grpc-timeout":
		put(&h.timeout)
	case "connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection":
		h.malformed = true
	default:
		h.malformed = h.malformed || f.IsPseudo() || f.Name != strings.ToLower(f.Name)
		if slices.Contains(c.server.cfg.Metadata, f.Name) && h.size <= maxHeaders {
			h.said = append(h.said, metadata{f.Name, f.Value})
		}
	}
}

// valid tells whether the headers are those of a gRPC call.
func (h *head) valid() bool {
	kind, ok := strings.CutPrefix(h.content, "application/grpc")
	return !h.malformed && h.method == "POST" && strings.HasPrefix(h.path, "/") &&
		ok && (kind == "" || kind == "+proto" || strings.HasPrefix(kind, ";"))
}

// deadline reads grpc-timeout: up to eight digits and a unit.
func (h *head) deadline() (time.Duration, bool) {
	if len(h.timeout) < 2 || len(h.timeout) > 9 {
		return 0, false
	}
	digits, unit := h.timeout[:len(h.timeout)-1], h.timeout[len(h.timeout)-1]
	n, err := strconv.ParseUint(digits, 10, 32)
	units := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}
	each, ok := units[unit]
	if err != nil || !ok {
		return 0, false
	}
	const most = 24 * time.Hour
	if n > uint64(most/each) {
		return most, true
	}
	return time.Duration(n) * each, true //nolint:gosec // at most a day
}

func codeText(code codes.Code) string { return strconv.Itoa(int(code)) }

// percent is a status message as gRPC sends it: printable ASCII but the percent sign, everything else encoded.
func percent(text string) string {
	const most = 1 << 10
	var b strings.Builder
	for i := range min(len(text), most) {
		if c := text[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
