package strictjson

// Offset is where the reader stands: after what it read last.
func (r *Reader) Offset() int { return int(r.dec.InputOffset()) }

// Next is where the next value begins, for a caller that wants the span of a value that it reads piece by piece.
func (r *Reader) Next() int {
	i := r.Offset()
	for i < len(r.doc) {
		switch r.doc[i] {
		case ' ', '\t', '\r', '\n', ',', ':':
			i++
		default:
			return i
		}
	}
	return i
}
