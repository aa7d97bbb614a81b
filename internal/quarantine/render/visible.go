package render

import (
	"unicode"
	"unicode/utf8"
)

// visible drops what nobody sees from a text in pieces. It keeps back less than one character.
type visible struct {
	held  [utf8.UTFMax]byte
	n     int
	marks int  // in a row
	cr    bool // the last was a carriage return
}

// maxMarks is how many combining marks one letter may have; more make a tower over the lines above.
const maxMarks = 4

// write appends what is seen of a piece.
func (v *visible) write(dst, piece []byte) []byte {
	for len(piece) > 0 {
		if v.n > 0 {
			v.held[v.n] = piece[0]
			v.n++
			piece = piece[1:]
			if !utf8.FullRune(v.held[:v.n]) {
				continue
			}
			r, size := utf8.DecodeRune(v.held[:v.n])
			dst = v.rune(dst, r)
			// What is left of bytes that are no character begins anew.
			rest := append([]byte{}, v.held[size:v.n]...)
			v.n = 0
			dst = v.write(dst, rest)
			continue
		}
		if !utf8.FullRune(piece) {
			v.n = copy(v.held[:], piece)
			return dst
		}
		r, size := utf8.DecodeRune(piece)
		dst = v.rune(dst, r)
		piece = piece[size:]
	}
	return dst
}

// close appends what was kept back, which is no character.
func (v *visible) close(dst []byte) []byte {
	for range v.n {
		dst = v.rune(dst, utf8.RuneError)
	}
	v.n = 0
	return dst
}

func (v *visible) rune(dst []byte, r rune) []byte {
	afterCR := v.cr
	v.cr = r == '\r'
	switch {
	case r == '\n' && afterCR:
		return dst
	case r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == 0x85 || r == 0x2028 || r == 0x2029:
		v.marks = 0
		return append(dst, '\n')
	case r == '\t' || ' ' <= r && r < 0x7f:
		v.marks = 0
		return append(dst, byte(r))
	case unicode.Is(unicode.Zs, r) || r == 0x2800: // a blank that is a symbol
		v.marks = 0
		return append(dst, ' ')
	case !unicode.IsPrint(r) || unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
		return dst
	case unicode.Is(unicode.M, r):
		if v.marks++; v.marks > maxMarks {
			return dst
		}
	default:
		v.marks = 0
	}
	return utf8.AppendRune(dst, r)
}
