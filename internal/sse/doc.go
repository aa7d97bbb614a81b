// Package sse reads and writes server-sent events (HTML standard, section 9.2).
//
// A Reader is fed the stream in chunks of any size and gives back whole events, each with its bytes as they came, so
// that an event that nobody changes is relayed to the letter. The same stream gives the same events however it is cut:
// a carriage return at the end of a chunk waits for the byte that follows it. Lines may end in LF, CR LF or CR; a byte
// order mark at the stream's start is ignored; what is not UTF-8 is an error, and so is an event over the limit.
package sse
