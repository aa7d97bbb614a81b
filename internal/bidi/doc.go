// Package bidi serves gRPC methods on a bare HTTP/2 framer: what a few peers need that each hold many short streams, and
// nothing else of gRPC.
//
// One goroutine reads a connection. It assembles messages and hands them to their stream, where a goroutine of a pool runs
// the method (its stack has grown already). What streams send is put into the connection's one buffer, which one goroutine
// writes: a wake-up and a system call then serve all that was said meanwhile. That, and messages that stay bytes, is
// what it is for: the same work on grpc-go took about three times the CPU.
//
// It is strict: a peer that breaks HTTP/2 or gRPC loses the connection or the stream, and nothing is guessed. No message
// is compressed. Whatever ends a stream but the method's own nil ends it with an error: a stream is never closed as if all
// were well because its connection, its peer or this server went away.
//
// Memory is bounded: by streams a connection, by the window of each stream (a message gives its room back when it is
// received by the method) and the size of one message, by what may wait to be written. A peer that does not read is left
// after a while.
package bidi
