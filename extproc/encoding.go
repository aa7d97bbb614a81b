package extproc

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/yellowjack/yellowjack/internal/refuse"
)

var (
	errEncoding = errors.New("unknown content encoding")
	errTooLarge = errors.New("larger than the limit")
)

// decodeBody undoes one content-encoding under a limit, in bytes of the decoded body. A body with none comes back as it
// is, not copied. Two encodings at once are refused, as is trailing data after the compressed stream.
func decodeBody(body []byte, encodings []string, limit int) ([]byte, *refuse.Refusal) {
	plain, err := decode(body, encodings, limit)
	switch {
	case err == nil:
		return plain, nil
	case errors.Is(err, errTooLarge):
		return nil, refuse.New(http.StatusRequestEntityTooLarge, refuse.TooLarge, "the body is larger than the gateway takes", "body over %d bytes", limit)
	case errors.Is(err, errEncoding):
		return nil, refuse.New(http.StatusUnsupportedMediaType, refuse.BadEncoding, "send the body uncompressed, or as gzip, br or zstd", "content-encoding %q", clip(strings.Join(encodings, ",")))
	}
	return nil, refuse.New(http.StatusBadRequest, refuse.BadEncoding, "the body is not what its content-encoding says", "content-encoding: %v", err)
}

func decode(body []byte, encodings []string, limit int) ([]byte, error) {
	if len(body) > limit {
		return nil, errTooLarge
	}
	name := ""
	switch len(encodings) {
	case 0:
	case 1:
		name = strings.ToLower(strings.TrimSpace(encodings[0]))
	default:
		return nil, errEncoding
	}
	src := bytes.NewReader(body)
	var r io.Reader
	switch name {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, err
		}
		r = z
	case "br":
		r = brotli.NewReader(src)
	case "zstd":
		z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)+1<<20)) //nolint:gosec // a positive limit
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	default:
		return nil, errEncoding
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(plain) > limit || errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, err
	}
	if src.Len() > 0 {
		return nil, errors.New("data after the end of the compressed body")
	}
	return plain, nil
}
