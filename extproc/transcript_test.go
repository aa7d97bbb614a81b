package extproc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/rogpeppe/go-internal/txtar"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/yellowjack/yellowjack/extproc"
	"github.com/yellowjack/yellowjack/internal/headers"
	"github.com/yellowjack/yellowjack/internal/txtest"
)

// TestTranscripts plays testdata/*.txtar. A file named "in KIND …" is one message of Envoy's (its text is the headers,
// one a line, or the body); "out" is what the service sent, and "audit" the line that it left. ${sara} in a header
// stands for a valid token of hers; ${expired} and the like for bad ones. A file named "then" begins another exchange, whose "out 2"
// and "audit 2" follow. In a message, ${ref:0} stands for the first reference that the model was shown so far, ${ref:0:3-9} for a piece
// of it, and ${id:0} for the first id of a call that was released.
func TestTranscripts(t *testing.T) {
	w := newWorld(t)
	txtest.Play(t, "testdata/*.txtar", func(t *testing.T, archive *txtar.Archive) []txtar.File {
		var files []txtar.File
		seen := &said{}
		for n, one := range exchanges(archive) {
			sink := &lastRecord{}
			stream := &script{ctx: t.Context(), in: messages(t, w, one), said: seen}
			end := w.service(t, sink, nil).Process(stream)
			suffix := ""
			if n > 0 {
				suffix = fmt.Sprint(" ", n+1)
			}
			files = append(
				files, txtar.File{Name: "out" + suffix, Data: []byte(render(stream.sent, end))},
				txtar.File{Name: "audit" + suffix, Data: []byte(sink.render(t))},
			)
		}
		return files
	})
}

// exchanges are the archives of each exchange of one.
func exchanges(archive *txtar.Archive) []*txtar.Archive {
	out := []*txtar.Archive{{}}
	for _, f := range archive.Files {
		if f.Name == "then" {
			out = append(out, &txtar.Archive{})
			continue
		}
		last := out[len(out)-1]
		last.Files = append(last.Files, f)
	}
	return out
}

// said is what a model was shown and a client got, for the messages that follow.
type said struct{ refs, ids []string }

var (
	placeholder = regexp.MustCompile(`[$][{](ref|id):(\d+)(?::(\d*)-(\d*))?[}]`)
	refName     = regexp.MustCompile(`[$]ref_[a-z2-7]{16}`)
	callID      = regexp.MustCompile(`yj_[A-Za-z0-9_-]{34}`)
)

// note reads what went out.
func (s *said) note(m *extprocv3.ProcessingResponse) {
	up := m.GetRequestBody().GetResponse().GetBodyMutation().GetBody()
	s.refs = unique(s.refs, refName.FindAllString(string(up), -1))
	down := m.GetResponseBody().GetResponse().GetBodyMutation().GetStreamedResponse().GetBody()
	s.ids = unique(s.ids, callID.FindAllString(string(down), -1))
}

func unique(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// fill puts what was said in the place of ${ref:…} and ${id:…}.
func (s *said) fill(body []byte) []byte {
	return placeholder.ReplaceAllFunc(body, func(match []byte) []byte {
		m := placeholder.FindSubmatch(match)
		list := s.refs
		if string(m[1]) == "id" {
			list = s.ids
		}
		n, _ := strconv.Atoi(string(m[2]))
		if n >= len(list) {
			return match
		}
		from, _ := strconv.Atoi(string(m[3]))
		to, err := strconv.Atoi(string(m[4]))
		if err != nil {
			to = len(list[n])
		}
		return []byte(list[n][from:to])
	})
}

// script is a stream that plays messages and then ends as Envoy ends it.
type script struct {
	ctx  context.Context
	in   []*extprocv3.ProcessingRequest
	sent []*extprocv3.ProcessingResponse
	said *said // nil: nothing is filled in
}

func (s *script) Context() context.Context { return s.ctx }

func (s *script) Interrupt() {}

func (s *script) Listener() []string {
	return grpcmetadata.ValueFromIncomingContext(s.ctx, headers.Listener)
}

func (s *script) Recv(time.Duration) ([]byte, error) {
	if len(s.in) == 0 {
		return nil, io.EOF
	}
	m := s.in[0]
	s.in = s.in[1:]
	if s.said != nil {
		for _, body := range []*extprocv3.HttpBody{m.GetRequestBody(), m.GetResponseBody()} {
			if body != nil {
				body.Body = s.said.fill(body.GetBody())
			}
		}
	}
	return proto.Marshal(m)
}

func (s *script) Send(replies []extproc.Reply) error {
	sent, err := decoded(replies)
	s.sent = append(s.sent, sent...)
	for _, m := range sent {
		if s.said != nil {
			s.said.note(m)
		}
	}
	return err
}

// decoded reads replies as Envoy reads them: by the generated code, and nothing unknown in them.
func decoded(replies []extproc.Reply) ([]*extprocv3.ProcessingResponse, error) {
	var out []*extprocv3.ProcessingResponse
	for _, r := range replies {
		m := &extprocv3.ProcessingResponse{}
		if err := proto.Unmarshal(r.Append(nil), m); err != nil {
			return out, err
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			return out, err
		}
		if len(again) != len(r.Append(nil)) {
			return out, fmt.Errorf("a reply that the generated code writes in %d bytes has %d", len(again), len(r.Append(nil)))
		}
		out = append(out, m)
	}
	return out, nil
}

// messages reads the "in" files of a transcript.
func messages(t testing.TB, w *world, archive *txtar.Archive) []*extprocv3.ProcessingRequest {
	t.Helper()
	var out []*extprocv3.ProcessingRequest
	for _, f := range archive.Files {
		words := strings.Fields(f.Name)
		if len(words) < 2 || words[0] != "in" {
			continue
		}
		has := func(word string) bool {
			for _, x := range words[2:] {
				if x == word {
					return true
				}
			}
			return false
		}
		body := bytes.TrimSuffix(f.Data, []byte("\n"))
		if has("raw") { // the text is a Go string without its quotes, so that a chunk may end anywhere
			body = []byte(strings.NewReplacer(`\n`, "\n", `\r`, "\r", "\n", "").Replace(string(f.Data)))
		}
		m := &extprocv3.ProcessingRequest{}
		switch words[1] {
		case "request-headers":
			m.Request = &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
				Headers: headerMap(w.tokens(string(f.Data))), EndOfStream: has("end"),
			}}
		case "request-body":
			m.Request = &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte(w.tokens(string(body))), EndOfStream: true}}
		case "response-headers":
			details := "via_upstream"
			for _, x := range words[2:] {
				if v, ok := strings.CutPrefix(x, "details="); ok {
					details = v
				}
			}
			m.Attributes = map[string]*structpb.Struct{"envoy.filters.http.ext_proc": {Fields: map[string]*structpb.Value{
				"response.code_details": structpb.NewStringValue(details),
			}}}
			m.Request = &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: &extprocv3.HttpHeaders{
				Headers: headerMap(string(f.Data)), EndOfStream: has("end"),
			}}
		case "response-body":
			m.Request = &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: body, EndOfStream: has("end")}}
		case "response-trailers":
			m.Request = &extprocv3.ProcessingRequest_ResponseTrailers{ResponseTrailers: &extprocv3.HttpTrailers{Trailers: headerMap(string(f.Data))}}
		default:
			t.Fatalf("unknown message %q", f.Name)
		}
		out = append(out, m)
	}
	return out
}

func headerMap(text string) *corev3.HeaderMap {
	m := &corev3.HeaderMap{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		if ok {
			m.Headers = append(m.Headers, &corev3.HeaderValue{Key: name, RawValue: []byte(value)})
		}
	}
	return m
}

// volatile is what differs from run to run.
var volatile = regexp.MustCompile(`yj_[A-Za-z0-9_-]{34}|call_[0-9a-f]{24}|[$]ref_[a-z2-7]{16}|[A-Z2-7]{26}|[0-9a-f]{32}|\b1[789][0-9]{8}\b`)

// render writes the replies as a person reads them.
func render(sent []*extprocv3.ProcessingResponse, end error) string {
	var b strings.Builder
	for _, m := range sent {
		switch r := m.GetResponse().(type) {
		case *extprocv3.ProcessingResponse_RequestHeaders:
			fmt.Fprintln(&b, "request headers: go on")
		case *extprocv3.ProcessingResponse_RequestBody:
			fmt.Fprintln(&b, "request goes upstream")
			common := r.RequestBody.GetResponse()
			renderHeaders(&b, common.GetHeaderMutation())
			if body := common.GetBodyMutation(); body != nil {
				fmt.Fprintf(&b, "  body %s\n", body.GetBody())
			}
		case *extprocv3.ProcessingResponse_ResponseHeaders:
			fmt.Fprintln(&b, "response headers released")
			renderHeaders(&b, r.ResponseHeaders.GetResponse().GetHeaderMutation())
		case *extprocv3.ProcessingResponse_ResponseBody:
			piece := r.ResponseBody.GetResponse().GetBodyMutation().GetStreamedResponse()
			fmt.Fprintf(&b, "response body, end=%v\n%s", piece.GetEndOfStream(), indent(piece.GetBody()))
		case *extprocv3.ProcessingResponse_ResponseTrailers:
			fmt.Fprintln(&b, "response trailers released")
			renderHeaders(&b, r.ResponseTrailers.GetHeaderMutation())
		case *extprocv3.ProcessingResponse_ImmediateResponse:
			fmt.Fprintf(&b, "immediate %d (%s)\n", r.ImmediateResponse.GetStatus().GetCode(), r.ImmediateResponse.GetDetails())
			renderHeaders(&b, r.ImmediateResponse.GetHeaders())
			b.WriteString(indent(r.ImmediateResponse.GetBody()))
		}
		if fields := m.GetDynamicMetadata().GetFields()["yellowjack"].GetStructValue().GetFields(); len(fields) > 0 {
			var pairs []string
			for k, v := range fields {
				if k != "policy_revision" {
					pairs = append(pairs, k+"="+v.GetStringValue())
				}
			}
			sort.Strings(pairs)
			fmt.Fprintf(&b, "  metadata %s\n", strings.Join(pairs, " "))
		}
	}
	fmt.Fprintf(&b, "stream ends: %s\n", status.Code(end))
	return volatile.ReplaceAllString(b.String(), "ID")
}

func renderHeaders(b *strings.Builder, m interface {
	GetSetHeaders() []*corev3.HeaderValueOption
	GetRemoveHeaders() []string
},
) {
	for _, h := range m.GetSetHeaders() {
		fmt.Fprintf(b, "  set %s: %s\n", h.GetHeader().GetKey(), h.GetHeader().GetRawValue())
	}
	for _, name := range m.GetRemoveHeaders() {
		fmt.Fprintf(b, "  remove %s\n", name)
	}
}

func indent(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(string(body)) {
		b.WriteString("  | " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

// errSink is an audit that cannot be written.
var errSink = errors.New("the disk is full")

func pretty(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

var _ = extproc.Limits{}
