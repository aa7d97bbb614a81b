// Package awsevent reads and writes application/vnd.amazon.eventstream, the framing of AWS' streamed answers, so that what
// we read is what every client reads.
//
// A message is a prelude (the length of all of it, that of its headers, a checksum of both), headers, a payload, and a
// checksum of everything before. Bytes are fed as they arrive and complete messages come out, each with the bytes that it
// came in, so that one that nobody changes goes on as it is; how the bytes were cut never shows. The limit is on a whole
// message and is held to as soon as its prelude is there.
//
// Clients differ in what they forgive, so what is ambiguous is an error here: a name that comes twice (some take the first,
// some the last), a name or a string that is not UTF-8, a header that ends beyond the others' end, a length that does not
// go with what is in it. Both checksums must be right. A message that the stream ends within is [ErrTruncated]. Errors
// stick.
//
// The SDK's own decoder takes an io.Reader that blocks, has a limit of its own (24 MiB) and lets names come twice: it is
// what this one is tested against.
package awsevent
