// Package hold lets a streamed answer through and holds back the tool calls in it until they are decided.
//
// A Gate is given the bytes of a stream of chat.completion.chunk events as they come, in pieces of any size, and gives
// back the bytes that may go on to the client:
//
//   - Comments, and events without a tool call, go on at once and byte for byte. Each is strictly read first.
//
//   - An event with a fragment of a tool call is held until its choice has a finish_reason. An event that also carries
//     text is split: the text goes on at once. So is one of several choices, of which any is held. A role, and members
//     that are empty, stay with the call.
//
//   - Then every call of that choice is put together and checked. A call that no client could read in only one way
//     (Malformed) is refused; all others are decided in one batch.
//
//   - Events of allowed calls go on byte for byte, in their order, but an id, type or name goes on once: of clients that
//     read it again some append it to what they had. Where an earlier call of the choice was denied, the index is
//     changed. In the place of a denied call there is assistant text. When no call is left the finish_reason becomes
//     "stop".
//
//   - An allowed call may go out under another id, and with other arguments: then as one whole fragment in the place of
//     its first.
//
//   - Texts may go through a filter, each one through its own: the content, what the model thinks, a refusal. An event
//     goes on byte for byte when its filter changed nothing. What a filter holds back comes out when another text
//     follows, and before the finish_reason.
//
//   - Finish is told of each choice's turn, as the client will have it, before its calls and its finish_reason go out.
//
// What is no chat's stands apart, so that the gates of the other dialects (the packages below this one) are built on it: a
// Core has the limits, decides a batch of Calls and says of each what becomes of it, and keeps the Texts of a turn; a
// Stream feeds a gate its events.
//
// What a client is given is exactly what was decided: a fragment that is in no decided call is never released. Errors
// stick, and nothing is released after one. A stream that ends within a call, within an event or before its choices
// have finished is an error too. What was decided is forgotten, so that it takes no memory while the stream goes on.
package hold
