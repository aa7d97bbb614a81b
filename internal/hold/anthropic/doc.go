// Package anthropic is the stream gate of Anthropic's Messages: what package hold says of a stream of chat completions
// holds of a stream of message events, too.
//
//   - The events of a message come in one order: its beginning, blocks that begin one after the other and each end, the
//     reason to stop, the end. What is out of this order, or of a type or kind that is not known, ends the stream. A ping and a
//     comment go on whenever they come.
//
//   - What comes before the first call goes on at once and byte for byte. The call is held until the reason to stop, and
//     so is every block behind it: blocks have numbers, and a client puts them together in their order.
//
//   - Then all calls of the message are checked and decided in one batch. The events of allowed ones go on byte for byte.
//     In the place of a denied one there is a block of text, under the same number, so that no other number changes. When
//     no call is left, a turn that stopped to make its calls has stopped by "end_turn".
//
//   - An allowed call may go out under another id, and with other arguments, which then come in one piece.
//
//   - Each block of text has a filter of its own; what it holds back comes out before the block ends. What the model
//     thought is signed, and goes through none.
//
//   - Finish is told of the turn before any of its calls and its reason to stop go out.
package anthropic
