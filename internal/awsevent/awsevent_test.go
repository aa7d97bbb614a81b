package awsevent_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"pgregory.net/rapid"

	"github.com/yellowjack/yellowjack/internal/awsevent"
)

const limit = 1 << 20

// The vectors that AWS' SDKs share.
const (
	emptyMessage = "000000100000000005c248eb7d98c8ff"
	noHeaders    = "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936"
	oneHeader    = "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1"
	intHeader    = "0000002d0000001041c424b80a6576656e742d74797065040000a00c7b27666f6f273a27626172277d36f480a0"
	allHeaders   = "000000cc000000af0fae64ca0a6576656e742d74797065040000a00c0c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e" +
		"0a626f6f6c2066616c73650109626f6f6c207472756500046279746502cf08627974652062756606001449276d2061206c6974746c6520746561706f7421" +
		"0974696d657374616d70080000000000845fed05696e74313603002a05696e7436340500000000028757b20475756964090102030405060708090a0b0c0d0e0f10" +
		"7b27666f6f273a27626172277daba5f10c"
	badHeaderLength  = "0000003d0000002107fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1"
	badHeaders       = "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b61666f6f273a27626172277d8d9c08b1"
	badLength        = "0000003e0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1"
	badPayload       = "0000001d00000000fd528c5a5b27666f6f273a27626172277dc3653936"
	payloadOfVectors = "{'foo':'bar'}"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read reads a stream, cut as next says; nil is all at once. It says what came as a text.
func read(stream []byte, most int, next func(left int) int) (out string, err error) {
	r := awsevent.NewReader(most)
	drain := func() bool {
		for {
			m, ok, e := r.Next()
			if err = e; e != nil || !ok {
				return e == nil
			}
			out += describe(m)
		}
	}
	for len(stream) > 0 {
		n := len(stream)
		if next != nil {
			n = next(len(stream))
		}
		r.Feed(stream[:n])
		stream = stream[n:]
		if !drain() {
			return out, err
		}
	}
	return out, r.Close()
}

func describe(m awsevent.Message) string {
	s := fmt.Sprintf("%x\n", m.Raw)
	for _, name := range []string{
		"event-type", "content-type", "bool false", "bool true", "byte", "byte buf", "timestamp", "int16", "int64", "uuid",
	} {
		if h, ok := m.Header(name); ok {
			s += fmt.Sprintf("  %s %d %x %q\n", h.Name, h.Type, h.Value, m.Text(name))
		}
	}
	return s + fmt.Sprintf("  %q\n", m.Payload)
}

func TestVectors(t *testing.T) {
	for _, good := range []string{emptyMessage, noHeaders, oneHeader, intHeader, allHeaders} {
		out, err := read(unhex(t, good), limit, nil)
		if err != nil {
			t.Errorf("%s: %v", good, err)
		}
		again := awsevent.NewReader(limit)
		again.Feed(unhex(t, good))
		m, _, _ := again.Next()
		if got := hex.EncodeToString(awsevent.AppendWith(nil, m.Headers, m.Payload)); got != good {
			t.Errorf("written again it is %s, not %s", got, good)
		}
		if good == allHeaders {
			want := good + "\n  event-type 4 0000a00c \"\"\n  content-type 7 6170706c69636174696f6e2f6a736f6e \"application/json\"\n" +
				"  bool false 1  \"\"\n  bool true 0  \"\"\n  byte 2 cf \"\"\n" +
				"  byte buf 6 49276d2061206c6974746c6520746561706f7421 \"\"\n  timestamp 8 0000000000845fed \"\"\n" +
				"  int16 3 002a \"\"\n  int64 5 00000000028757b2 \"\"\n  uuid 9 0102030405060708090a0b0c0d0e0f10 \"\"\n" +
				fmt.Sprintf("  %q\n", payloadOfVectors)
			if out != want {
				t.Errorf("%s\nnot\n%s", out, want)
			}
		}
	}
	for _, bad := range []string{badHeaderLength, badHeaders, badLength, badPayload} {
		if out, err := read(unhex(t, bad), limit, nil); !errors.Is(err, awsevent.ErrChecksum) || out != "" {
			t.Errorf("%s: %q %v", bad, out, err)
		}
	}
}

// built makes a message whose checksums are right, whatever is in it.
func built(headers, payload string, more int) []byte {
	b := awsevent.AppendWith(nil, []byte(headers), []byte(payload))
	binary.BigEndian.PutUint32(b[4:], uint32(len(headers)+more)) //nolint:gosec // small
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.ChecksumIEEE(b[:len(b)-4]))
	return b
}

func header(name string, typ byte, value string) string {
	return string(append([]byte{byte(len(name))}, name...)) + string([]byte{typ}) + value
}

func text(value string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(value)))) + value //nolint:gosec // small
}

func TestStrict(t *testing.T) {
	good := built(header("a", 7, text("b")), "x", 0)
	tiny := built("", "", 0)
	binary.BigEndian.PutUint32(tiny, 15)
	binary.BigEndian.PutUint32(tiny[8:], crc32.ChecksumIEEE(tiny[:8]))
	many := ""
	for i := range 65 {
		many += header(fmt.Sprint(i), 0, "")
	}
	for name, c := range map[string]struct {
		in   []byte
		most int
		want error
	}{
		"good":                             {good, limit, nil},
		"nothing":                          {nil, limit, nil},
		"at the limit":                     {good, len(good), nil},
		"over the limit":                   {good, len(good) - 1, awsevent.ErrTooLarge},
		"over the limit, by its prelude":   {good[:12], len(good) - 1, awsevent.ErrTooLarge},
		"no limit is none":                 {good, 0, awsevent.ErrTooLarge},
		"cut in the prelude":               {good[:5], limit, awsevent.ErrTruncated},
		"cut in the payload":               {good[:len(good)-5], limit, awsevent.ErrTruncated},
		"a second one is cut":              {append(bytes.Clone(good), good[:3]...), limit, awsevent.ErrTruncated},
		"shorter than any":                 {tiny, limit, awsevent.ErrGrammar},
		"headers beyond the message":       {built("", "", 1), limit, awsevent.ErrGrammar},
		"headers that take payload":        {built(header("a", 7, text("b")), "x", 1), limit, awsevent.ErrGrammar},
		"a header of no name":              {built(header("", 0, ""), "", 0), limit, awsevent.ErrGrammar},
		"a name that is cut":               {built("\x05a", "", 0), limit, awsevent.ErrGrammar},
		"a header of no type":              {built("\x01a", "", 0), limit, awsevent.ErrGrammar},
		"a header of an unknown type":      {built(header("a", 10, ""), "", 0), limit, awsevent.ErrGrammar},
		"a value that is cut":              {built(header("a", 4, "\x00\x00"), "", 0), limit, awsevent.ErrGrammar},
		"a length that is cut":             {built(header("a", 7, "\x00"), "", 0), limit, awsevent.ErrGrammar},
		"a text that is cut":               {built(header("a", 7, "\x00\x02b"), "", 0), limit, awsevent.ErrGrammar},
		"a text that is no UTF-8":          {built(header("a", 7, text("\xff")), "", 0), limit, awsevent.ErrGrammar},
		"a name that is no UTF-8":          {built(header("\xff", 0, ""), "", 0), limit, awsevent.ErrGrammar},
		"bytes that are no UTF-8":          {built(header("a", 6, text("\xff")), "", 0), limit, nil},
		"a name twice":                     {built(header("a", 7, text("b"))+header("a", 7, text("c")), "", 0), limit, awsevent.ErrGrammar},
		"a name twice, of different types": {built(header("a", 0, "")+header("b", 1, "")+header("a", 1, ""), "", 0), limit, awsevent.ErrGrammar},
		"more headers than any has":        {built(many, "", 0), limit, awsevent.ErrGrammar},
		"a text longer than a signed two":  {built(header("a", 7, text(string(make([]byte, 1<<15)))), "", 0), limit, awsevent.ErrGrammar},
		"a text as long as that":           {built(header("a", 7, text(string(make([]byte, 1<<15-1)))), "", 0), limit, nil},
	} {
		for cut, next := range map[string]func(int) int{"at once": nil, "byte by byte": func(int) int { return 1 }} {
			if _, err := read(c.in, c.most, next); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, not %v", name, cut, err, c.want)
			}
		}
	}
}

func TestErrorsStick(t *testing.T) {
	r := awsevent.NewReader(limit)
	r.Feed(unhex(t, badPayload))
	r.Feed(unhex(t, noHeaders))
	for range 2 {
		if _, ok, err := r.Next(); ok || !errors.Is(err, awsevent.ErrChecksum) {
			t.Fatal(ok, err)
		}
	}
	if err := r.Close(); !errors.Is(err, awsevent.ErrChecksum) {
		t.Fatal(err)
	}
}

func TestAppendLeavesOut(t *testing.T) {
	got := awsevent.Append(nil, []awsevent.Header{
		{Name: ""},
		{Name: string(make([]byte, 256))},
		{Name: "a", Type: 10},
		{Name: "b", Type: awsevent.Int32, Value: []byte{1}},
		{Name: "c", Type: awsevent.String, Value: make([]byte, 1<<15)},
	}, nil)
	if hex.EncodeToString(got) != emptyMessage {
		t.Errorf("%x", got)
	}
}

// theirs reads a message with the SDK's decoder.
func theirs(b []byte) (eventstream.Message, error) {
	return eventstream.NewDecoder().Decode(bytes.NewReader(b), nil)
}

// TestSDK: what we write the SDK reads, and what it writes we read, to the same headers and payload.
func TestSDK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var headers []awsevent.Header
		var msg eventstream.Message
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[:a-z-]{1,12}`), 0, 6, rapid.ID[string]).Draw(t, "names") {
			typ := awsevent.Type(rapid.IntRange(0, 9).Draw(t, "type")) //nolint:gosec // small
			h, v := value(t, typ)
			headers = append(headers, awsevent.Header{Name: name, Type: typ, Value: h})
			msg.Headers.Set(name, v)
		}
		msg.Payload = rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		var want bytes.Buffer
		if err := eventstream.NewEncoder().Encode(&want, msg); err != nil {
			t.Fatal(err)
		}
		got := awsevent.Append(nil, headers, msg.Payload)
		if !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%x\nnot\n%x", got, want.Bytes())
		}
		r := awsevent.NewReader(limit)
		r.Feed(got)
		m, ok, err := r.Next()
		if !ok || err != nil || !bytes.Equal(m.Payload, msg.Payload) {
			t.Fatal(ok, err, m.Payload)
		}
		for _, h := range headers {
			if is, ok := m.Header(h.Name); !ok || is.Type != h.Type || !bytes.Equal(is.Value, h.Value) {
				t.Fatal(h, is)
			}
		}
	})
}

func value(t *rapid.T, typ awsevent.Type) ([]byte, eventstream.Value) {
	n := rapid.Int64().Draw(t, "n")
	long := binary.BigEndian.AppendUint64(nil, uint64(n)) //nolint:gosec // two's complement is meant
	switch typ {
	case awsevent.True, awsevent.False:
		return nil, eventstream.BoolValue(typ == awsevent.True)
	case awsevent.Int8:
		return long[7:], eventstream.Int8Value(int8(n)) //nolint:gosec // cut as well
	case awsevent.Int16:
		return long[6:], eventstream.Int16Value(int16(n)) //nolint:gosec // cut as well
	case awsevent.Int32:
		return long[4:], eventstream.Int32Value(int32(n)) //nolint:gosec // cut as well
	case awsevent.Int64:
		return long, eventstream.Int64Value(n)
	case awsevent.Timestamp:
		n %= 1 << 40
		return binary.BigEndian.AppendUint64(nil, uint64(n)), eventstream.TimestampValue(time.UnixMilli(n)) //nolint:gosec // two's complement
	case awsevent.UUID:
		b := append(long, long...)
		return b, eventstream.UUIDValue(b)
	case awsevent.String:
		s := rapid.String().Draw(t, "text")
		return []byte(s), eventstream.StringValue(s)
	default:
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		return b, eventstream.BytesValue(b)
	}
}

// FuzzReader: however a stream is cut the same comes out, and whatever we read the SDK reads too, to the same.
func FuzzReader(f *testing.F) {
	for i, s := range []string{emptyMessage, noHeaders, oneHeader, intHeader, allHeaders, badHeaderLength, badHeaders, badLength, badPayload} {
		f.Add(unhex(f, s), uint64(i))
		f.Add(append(unhex(f, s), unhex(f, oneHeader)...), uint64(i))
	}
	f.Add(built(header("a", 7, text("b"))+header("a", 7, text("c")), "", 0), uint64(1))
	f.Fuzz(func(t *testing.T, stream []byte, cuts uint64) {
		const most = 4 << 10
		want, wrong := read(stream, most, nil)
		random := rand.New(rand.NewPCG(cuts, 1)) //nolint:gosec // cuts need no secrecy
		for name, next := range map[string]func(int) int{
			"byte by byte": func(int) int { return 1 },
			"at random":    func(left int) int { return 1 + random.IntN(left) },
		} {
			if got, err := read(stream, most, next); got != want || !errors.Is(err, wrong) {
				t.Errorf("%s: %s %v, not %s %v", name, got, err, want, wrong)
			}
		}
		r := awsevent.NewReader(most)
		r.Feed(stream)
		for {
			m, ok, err := r.Next()
			if err != nil || !ok {
				return
			}
			sdk, err := theirs(m.Raw)
			if errors.Is(err, io.ErrUnexpectedEOF) || err != nil {
				t.Fatalf("the SDK does not read %x: %v", m.Raw, err)
			}
			if !bytes.Equal(sdk.Payload, m.Payload) {
				t.Fatalf("the SDK reads %x in %x, not %x", sdk.Payload, m.Raw, m.Payload)
			}
			for _, h := range sdk.Headers {
				if s, ok := h.Value.(eventstream.StringValue); ok && string(m.Text(h.Name)) != string(s) {
					t.Fatalf("the SDK reads %q of %q, not %q", s, h.Name, m.Text(h.Name))
				}
			}
		}
	})
}
