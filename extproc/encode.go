package extproc

import "google.golang.org/protobuf/encoding/protowire"

// Replies are written straight into the connection's buffer, by hand: the messages are few and small, and the generated
// code, with an object for each header and each level, cost about as much as deciding. A test decodes every kind with the
// generated code.

// namespace is the dynamic metadata namespace of ours.
const namespace = "yellowjack"

// Append appends the reply as a ProcessingResponse.
func (r Reply) Append(b []byte) []byte {
	number := protowire.Number(r.kind)
	switch r.kind {
	case replyRequestHeaders, replyResponseHeaders, replyRequestBody, replyResponseBody:
		// {response: CommonResponse}
		common := r.sizeCommon()
		b = appendHead(b, number, sizeText(common))
		if common > 0 {
			b = r.appendCommon(appendHead(b, 1, common))
		}
	case replyResponseTrailers:
		n := r.mutation.size()
		b = appendHead(b, number, sizeText(n))
		b = r.mutation.append(b, 1, n)
	case replyImmediate:
		b = r.appendImmediate(b, number)
	}
	return appendMetadata(b, r.metadata)
}

// A CommonResponse: header_mutation is 2, body_mutation 3, clear_route_cache 5.

func (r *Reply) sizeCommon() int {
	n := sizeText(r.mutation.size())
	if body, ok := r.sizeBody(); ok {
		n += sizeOf(body)
	}
	if r.kind == replyRequestBody {
		n += sizeNumber(1)
	}
	return n
}

func (r *Reply) appendCommon(b []byte) []byte {
	b = r.mutation.append(b, 2, r.mutation.size())
	if n, ok := r.sizeBody(); ok {
		b = r.appendBody(appendHead(b, 3, n))
	}
	if r.kind == replyRequestBody {
		b = appendNumber(b, 5, 1)
	}
	return b
}

// A BodyMutation: body is 1, streamed_response 3. Members of a oneof are written even when they are empty.

func (r *Reply) sizeBody() (int, bool) {
	switch {
	case r.kind == replyResponseBody:
		return sizeOf(r.sizeStreamed()), true
	case r.replaces:
		return sizeOf(len(r.body)), true
	}
	return 0, false
}

func (r *Reply) appendBody(b []byte) []byte {
	if r.kind != replyResponseBody {
		return append(appendHead(b, 1, len(r.body)), r.body...)
	}
	b = appendText(appendHead(b, 3, r.sizeStreamed()), 1, r.body)
	if r.end {
		b = appendNumber(b, 2, 1)
	}
	return b
}

// sizeStreamed is the size of a StreamedBodyResponse: body is 1, end_of_stream 2.
func (r *Reply) sizeStreamed() int {
	n := sizeText(len(r.body))
	if r.end {
		n += sizeNumber(1)
	}
	return n
}

// appendImmediate appends an ImmediateResponse: status is 1 (with a code, 1), headers 2, body 3, details 5.
func (r *Reply) appendImmediate(b []byte, number protowire.Number) []byte {
	status, headers := sizeNumber(r.status), r.mutation.size()
	b = appendHead(b, number, sizeOf(status)+sizeText(headers)+sizeText(len(r.body))+sizeText(len(r.details)))
	b = appendNumber(appendHead(b, 1, status), 1, r.status)
	b = r.mutation.append(b, 2, headers)
	b = appendText(b, 3, r.body)
	return appendText(b, 5, r.details)
}

// overwrite is HeaderValueOption.append_action OVERWRITE_IF_EXISTS_OR_ADD.
const overwrite = 2

// size is the size of a HeaderMutation, 0 when nothing changes: set_headers is 1, remove_headers 2.
func (m *mutation) size() int {
	n := 0
	for _, h := range m.set {
		n += sizeOf(h.sizeOption())
	}
	for _, name := range m.remove {
		n += sizeOf(len(name))
	}
	return n
}

// append appends it as a field, when something changes.
func (m *mutation) append(b []byte, number protowire.Number, size int) []byte {
	if size == 0 {
		return b
	}
	b = appendHead(b, number, size)
	for _, h := range m.set {
		b = appendHead(b, 1, h.sizeOption())
		b = appendHead(b, 1, h.size()) // a HeaderValueOption's header; 3 is its append_action
		b = appendText(b, 1, h.name)   // a HeaderValue's key; 3 is its raw_value
		b = appendText(b, 3, h.value)
		b = appendNumber(b, 3, overwrite)
	}
	for _, name := range m.remove {
		b = append(appendHead(b, 2, len(name)), name...)
	}
	return b
}

func (h *header) size() int       { return sizeText(len(h.name)) + sizeText(len(h.value)) }
func (h *header) sizeOption() int { return sizeOf(h.size()) + sizeNumber(overwrite) }

// appendMetadata appends dynamic_metadata (8), a Struct with one field, our namespace, whose value is a Struct of strings.
// An entry of a map has its key as 1 and its value as 2; a Value has a string as 3 and a Struct as 5.
func appendMetadata(b []byte, pairs []header) []byte {
	if len(pairs) == 0 {
		return b
	}
	inner := 0
	for _, p := range pairs {
		inner += sizeOf(sizeEntry(p.name, sizeOf(len(p.value))))
	}
	entry := sizeEntry(namespace, sizeOf(inner))
	b = appendHead(b, 8, sizeOf(entry))
	b = appendEntry(b, namespace, entry, sizeOf(inner))
	b = appendHead(b, 5, inner)
	for _, p := range pairs {
		value := sizeOf(len(p.value))
		b = appendEntry(b, p.name, sizeEntry(p.name, value), value)
		b = append(appendHead(b, 3, len(p.value)), p.value...)
	}
	return b
}

func sizeEntry(name string, value int) int { return sizeText(len(name)) + sizeOf(value) }

func appendEntry(b []byte, name string, size, value int) []byte {
	b = appendText(appendHead(b, 1, size), 1, name)
	return appendHead(b, 2, value)
}
