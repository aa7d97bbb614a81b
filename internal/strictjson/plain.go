package strictjson

// Plain decodes one JSON object to Go's plain types: map[string]any, []any, string, float64, bool and nil. It is for documents that are
// read and thrown away, or changed as a whole; numbers beyond 2^53 lose their last digits.
func Plain(doc []byte, l Limits) (map[string]any, error) {
	r := NewReader(doc, l)
	defer r.Close()
	if r.Kind() != Object {
		return nil, r.Fail(ErrType, "not a JSON object")
	}
	v, err := plainValue(r)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), r.End()
}

func plainValue(r *Reader) (any, error) {
	switch r.Kind() {
	case Object:
		m := map[string]any{}
		err := r.Object(nil, func(member Member) error {
			v, err := plainValue(r)
			m[member.Name] = v
			return err
		})
		return m, err
	case Array:
		list := []any{}
		err := r.Array(func(int) error {
			v, err := plainValue(r)
			list = append(list, v)
			return err
		})
		return list, err
	case String:
		s, _, err := r.String()
		return s, err
	case Number:
		return r.Float()
	case True, False:
		return r.Bool()
	default: // null, or what is no value: Skip says which
		_, err := r.Skip()
		return nil, err
	}
}
