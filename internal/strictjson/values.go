package strictjson

import (
	"bytes"
	"strconv"
)

// Text reads a string and appends its decoded bytes to dst.
func (r *Reader) Text(dst []byte) ([]byte, Span, error) {
	raw, span, err := r.quoted()
	if err != nil {
		return dst, Span{}, err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return append(dst, raw[1:len(raw)-1]...), span, nil
	}
	dst, err = AppendUnquote(dst, raw)
	if err != nil {
		return dst, Span{}, r.broken()
	}
	return dst, span, nil
}

// String reads a string and decodes it.
func (r *Reader) String() (string, Span, error) {
	raw, span, err := r.quoted()
	if err != nil {
		return "", Span{}, err
	}
	s, err := unquote(raw)
	if err != nil {
		return "", Span{}, r.broken()
	}
	return s, span, nil
}

// Repeated is String for a value that was most often read before: it is what known finds for its bytes then, and costs no
// allocation. known may answer with any text, and is only believed when it is the right one.
func (r *Reader) Repeated(known func(raw []byte) string) (string, Span, error) {
	raw, span, err := r.quoted()
	if err != nil {
		return "", Span{}, err
	}
	if bare := raw[1 : len(raw)-1]; bytes.IndexByte(bare, '\\') < 0 {
		if text := known(bare); text == string(bare) {
			return text, span, nil
		}
		return string(bare), span, nil
	}
	s, err := unquote(raw)
	if err != nil {
		return "", Span{}, r.broken()
	}
	return s, span, nil
}

// quoted reads a string without decoding it.
func (r *Reader) quoted() ([]byte, Span, error) {
	if err := r.want(String, "must be a string"); err != nil {
		return nil, Span{}, err
	}
	span, err := r.Skip()
	return span.Of(r.doc), span, err
}

// Word is String for a value that is most often one of words, which costs no allocation then.
func (r *Reader) Word(words *Names) (string, error) {
	raw, _, err := r.quoted()
	if err != nil {
		return "", err
	}
	if word, ok := words.exact[string(raw[1:len(raw)-1])]; ok {
		return word, nil
	}
	s, err := unquote(raw)
	if err != nil {
		return "", r.broken()
	}
	return s, nil
}

// Path points to what was read last, for an error; anything unprintable in it is replaced.
func (r *Reader) Path() string { return printable(r.pointer(false)) }

// Bool reads true or false.
func (r *Reader) Bool() (bool, error) {
	k := r.Kind()
	if k == True {
		_, err := r.Skip()
		return true, err
	}
	if err := r.want(False, "must be true or false"); err != nil {
		return false, err
	}
	_, err := r.Skip()
	return false, err
}

// Int reads a number written without fraction or exponent.
func (r *Reader) Int() (int64, error) {
	if err := r.want(Number, "must be an integer"); err != nil {
		return 0, err
	}
	span, err := r.Skip()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(span.Of(r.doc)), 10, 64)
	if err != nil {
		return 0, r.Fail(ErrType, "must be an integer")
	}
	return n, nil
}

// Float reads a number.
func (r *Reader) Float() (float64, error) {
	if err := r.want(Number, "must be a number"); err != nil {
		return 0, err
	}
	span, err := r.Skip()
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(string(span.Of(r.doc)), 64)
	if err != nil {
		return 0, r.Fail(ErrType, "must be a number")
	}
	return f, nil
}

// Null reads null when it comes next, and tells whether it did.
func (r *Reader) Null() (bool, error) {
	if r.Kind() != Null {
		return false, r.err
	}
	_, err := r.Skip()
	return err == nil, err
}

// unquote decodes a validated string literal.
func unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	b, err := AppendUnquote(nil, raw)
	return string(b), err
}
