package extproc

import (
	"bytes"
	"testing"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// generated reads a message by the generated code.
func generated(m *extprocv3.ProcessingRequest) message {
	view := func(h *corev3.HeaderMap) headerView {
		var v headerView
		for _, x := range h.GetHeaders() {
			value := string(x.GetRawValue())
			if value == "" {
				value = x.GetValue()
			}
			v.list = append(v.list, header{x.GetKey(), value})
		}
		return v
	}
	var out message
	switch r := m.GetRequest().(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		out = message{kind: requestHeaders, headers: view(r.RequestHeaders.GetHeaders()), end: r.RequestHeaders.GetEndOfStream()}
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		out = message{kind: responseHeaders, headers: view(r.ResponseHeaders.GetHeaders()), end: r.ResponseHeaders.GetEndOfStream()}
	case *extprocv3.ProcessingRequest_RequestBody:
		out = message{kind: requestBody, body: r.RequestBody.GetBody(), end: r.RequestBody.GetEndOfStream()}
	case *extprocv3.ProcessingRequest_ResponseBody:
		out = message{kind: responseBody, body: r.ResponseBody.GetBody(), end: r.ResponseBody.GetEndOfStream()}
	case *extprocv3.ProcessingRequest_RequestTrailers:
		out = message{kind: requestTrailers, headers: view(r.RequestTrailers.GetTrailers())}
	case *extprocv3.ProcessingRequest_ResponseTrailers:
		out = message{kind: responseTrailers, headers: view(r.ResponseTrailers.GetTrailers())}
	}
	for _, s := range m.GetAttributes() {
		if v := s.GetFields()["response.code_details"]; v != nil {
			out.details = v.GetStringValue()
		}
	}
	return out
}

func same(a, b message) bool {
	if a.kind != b.kind || a.end != b.end || !bytes.Equal(a.body, b.body) || a.details != b.details || len(a.headers.list) != len(b.headers.list) {
		return false
	}
	for i, h := range a.headers.list {
		if h != b.headers.list[i] {
			return false
		}
	}
	return true
}

// seeds are messages as Envoy sends them, each with what else is in it.
func seeds() []*extprocv3.ProcessingRequest {
	headers := &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
		{Key: ":status", RawValue: []byte("200")}, {Key: "a", Value: "old"}, {Key: "b", Value: "x", RawValue: []byte("\xff")}, {Key: "empty"},
	}}
	attributes := map[string]*structpb.Struct{"envoy.filters.http.ext_proc": {Fields: map[string]*structpb.Value{
		"response.code_details": structpb.NewStringValue("via_upstream"), "other": structpb.NewNumberValue(3),
	}}}
	return []*extprocv3.ProcessingRequest{
		{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{Headers: headers, EndOfStream: true}}, ProtocolConfig: &extprocv3.ProtocolConfiguration{RequestBodyMode: 2}},
		{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: &extprocv3.HttpHeaders{Headers: headers}}, Attributes: attributes},
		{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte("{}"), EndOfStream: true}}, MetadataContext: &corev3.Metadata{}},
		{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte("data")}}},
		{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{EndOfStream: true}}},
		{Request: &extprocv3.ProcessingRequest_ResponseTrailers{ResponseTrailers: &extprocv3.HttpTrailers{Trailers: headers}}},
		{Request: &extprocv3.ProcessingRequest_RequestTrailers{RequestTrailers: &extprocv3.HttpTrailers{}}},
	}
}

func TestParseMessage(t *testing.T) {
	for _, m := range seeds() {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseMessage(b)
		if want := generated(m); err != nil || !same(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		for n := range len(b) { // cut short, it is an error or says less, and never reads past its end
			_, _ = parseMessage(b[:n:n])
		}
	}
	for _, b := range [][]byte{nil, {0x08, 0x01}, {0xff}, {0x12, 0x05, 0x00}, {0x12, 0x00, 0x22, 0x00}} {
		if m, err := parseMessage(b); err == nil {
			t.Errorf("%x is %+v", b, m)
		}
	}
}

// FuzzMessage holds our reader to the generated one: what we take, it takes, and reads the same in it. (What it merges,
// two messages in one, we refuse.)
func FuzzMessage(f *testing.F) {
	for _, m := range seeds() {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseMessage(b)
		if err != nil {
			return
		}
		var m extprocv3.ProcessingRequest
		if err := proto.Unmarshal(b, &m); err != nil {
			return // in a part that we do not read
		}
		want := generated(&m)
		if len(m.GetAttributes()) > 1 || repeated(b) || !utf8.ValidString(got.details) {
			want.details = got.details
		}
		if !same(got, want) {
			t.Errorf("%x\n got %+v\nwant %+v", b, got, want)
		}
	})
}

// repeated tells whether the attributes name anything twice, where a map keeps the last one and merges nothing.
func repeated(b []byte) bool { return bytes.Count(b, []byte("response.code_details")) > 1 }

// FuzzReply holds our writer to the generated reader.
func FuzzReply(f *testing.F) {
	f.Add(uint8(1), "a", "b", "c", []byte("body"), true, 200)
	f.Add(uint8(7), "", "b", "", []byte(nil), false, 503)
	f.Fuzz(func(t *testing.T, kind uint8, name, value, removed string, body []byte, end bool, status int) {
		if !utf8.ValidString(name) || !utf8.ValidString(removed) || !utf8.ValidString(value) || status < 0 || status > 999 {
			return
		}
		m := mutation{set: []header{{name, value}, {"x", value}}, remove: []string{removed}}
		pairs := metadata(header{"n" + name, value}, header{"p", value}) // distinct, as a map has them
		r := []reply{
			continueRequestHeaders(), forwardRequest(m, body, pairs), forwardRequest(mutation{}, nil, nil), answerResponseHeaders(m),
			bodyOf(body, end), answerTrailers([]string{removed}, pairs), immediate(status, m.set, body, name, pairs), answerTrailers(nil, nil),
		}[kind%8]
		b := r.Append(nil)
		var got extprocv3.ProcessingResponse
		if err := proto.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if again, err := proto.Marshal(&got); err != nil || len(again) != len(b) {
			t.Errorf("%d bytes again, %d at first, %v: %v", len(again), len(b), err, &got)
		}
	})
}

func bodyOf(body []byte, end bool) reply {
	return releaseBody(nil, body, true, metadata(header{"end", map[bool]string{true: "yes", false: ""}[end]}))[0]
}
