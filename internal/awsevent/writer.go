package awsevent

import (
	"encoding/binary"
	"hash/crc32"
)

// Append appends a message. A header that cannot stand on the wire (a name of none or more than 255 bytes, a value of more
// than 32767 bytes or that is not as long as its type's) is left out.
func Append(dst []byte, headers []Header, payload []byte) []byte {
	var block []byte
	for _, h := range headers {
		if len(h.Name) == 0 || len(h.Name) > 255 || h.Type >= types || len(h.Value) > maxValue {
			continue
		}
		long := h.Type == Bytes || h.Type == String
		if !long && len(h.Value) != fixed[h.Type] {
			continue
		}
		block = append(append(append(block, byte(len(h.Name))), h.Name...), byte(h.Type))
		if long {
			block = binary.BigEndian.AppendUint16(block, uint16(len(h.Value))) //nolint:gosec // it was checked
		}
		block = append(block, h.Value...)
	}
	return AppendWith(dst, block, payload)
}

// AppendWith appends a message with headers as they stand on the wire: those of another message.
func AppendWith(dst, headers, payload []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(leastBytes+len(headers)+len(payload))) //nolint:gosec // in memory
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(headers)))                         //nolint:gosec // in memory
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
	dst = append(append(dst, headers...), payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}
