package ref

import (
	"encoding/binary"
	"errors"

	"github.com/yellowjack/yellowjack/internal/label"
	"github.com/yellowjack/yellowjack/internal/quarantine/project"
)

// A record is the references of one result: a version, then of each the letters of the value, its kind, label, tool, path and value.
// Texts stand behind their length. The store seals it.

const recordVersion = 1

var errRecord = errors.New("ref: a record that cannot be read")

type recordWriter struct {
	buf []byte
	n   int
}

// add keeps an entry, if there is room for it.
func (w *recordWriter) add(value string, e Entry) {
	if len(w.buf) == 0 {
		w.buf = append(w.buf, recordVersion)
	}
	if len(w.buf)+len(e.Value) > maxRecord {
		return
	}
	w.n++
	w.text(value)
	w.buf = append(w.buf, byte(e.Kind), byte(e.Label.Integrity), byte(e.Label.Confidentiality))
	w.buf = binary.AppendUvarint(w.buf, uint64(len(e.Label.Sources)))
	for _, s := range e.Label.Sources {
		w.text(s)
	}
	w.text(e.Tool)
	w.text(e.Path)
	w.text(e.Value)
}

func (w *recordWriter) text(s string) {
	w.buf = append(binary.AppendUvarint(w.buf, uint64(len(s))), s...)
}

func (w *recordWriter) bytes() []byte { return w.buf }

type recordReader struct {
	buf []byte
	bad bool
}

func (r *recordReader) byte() byte {
	if len(r.buf) == 0 {
		r.bad = true
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

func (r *recordReader) count() int {
	n, size := binary.Uvarint(r.buf)
	if size <= 0 || n > uint64(len(r.buf)-size) {
		r.bad, r.buf = true, nil
		return 0
	}
	r.buf = r.buf[size:]
	return int(n)
}

func (r *recordReader) text() string {
	n := r.count()
	s := string(r.buf[:n])
	r.buf = r.buf[n:]
	return s
}

// decodeRecord reads a record: what its values' letters stand for.
func decodeRecord(buf []byte) (map[string]Entry, error) {
	r := &recordReader{buf: buf}
	if r.byte() != recordVersion {
		return nil, errRecord
	}
	out := map[string]Entry{}
	for len(r.buf) > 0 && !r.bad {
		value := r.text()
		e := Entry{Kind: project.ValueKind(r.byte())}
		e.Label.Integrity, e.Label.Confidentiality = label.Integrity(r.byte()), label.Confidentiality(r.byte())
		for range r.count() {
			e.Label.Sources = append(e.Label.Sources, r.text())
		}
		e.Tool, e.Path, e.Value = r.text(), r.text(), r.text()
		bad := len(value) != half || e.Kind < project.Null || e.Kind > project.Object ||
			e.Label.Integrity > label.Trusted || e.Label.Confidentiality > label.Public
		if r.bad || bad {
			return nil, errRecord
		}
		out[value] = e
	}
	if r.bad {
		return nil, errRecord
	}
	return out, nil
}
