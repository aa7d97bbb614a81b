// Package bedrock is the gate of Bedrock's ConverseStream: it lets a streamed answer through and holds back the tool calls
// in it until they are decided, as package hold does for chat completions.
//
// A Gate is given the bytes of a stream of AWS' events as they come, in pieces of any size, and gives back the bytes that
// may go on to the client:
//
//   - Every message is read strictly, in its framing and in its payload. One of a type that is not known, a block or a delta
//     of an unknown kind, or one that does not go with its block, ends the stream. An exception is relayed, and ends it too.
//
//   - A block has a number, and each that begins has a larger one than those before. One that begins without saying what it is
//     is what its first delta says; a call always says it.
//
//   - What comes before the first call goes on at once and byte for byte. The call is held until messageStop, and so is
//     every block behind it: a client puts blocks together in their order.
//
//   - Then all calls of the message are checked and decided in one batch. The messages of allowed ones go on byte for byte.
//     In the place of a denied one there is a block of text, under the same number. When no call is left, a turn that
//     stopped to make its calls has stopped by "end_turn".
//
//   - An allowed call may go out under another id, and with other arguments, which then come in one piece. What is changed is
//     framed anew, and nothing else is.
//
//   - Each block of text has a filter of its own; what it holds back comes out before the block ends. What the model
//     thought is signed, and goes through none.
//
//   - Where anything was changed, what may repeat it afterwards (the model's own fields, the trace) is taken out.
//
//   - Finish is told of the turn before any of its calls and its reason to stop go out.
//
// A router says only after the message which model has answered: Model is told of no name when the message begins, and of
// that one then.
package bedrock
