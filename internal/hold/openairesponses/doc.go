// Package openairesponses is the gate of a streamed answer of OpenAI's Responses API; its contract is that of hold.Gate.
//
//   - Events go on at once and byte for byte, until an item begins that is a call which the client runs. Everything of that
//     item is held, and so are the items that begin behind it: clients put the output together in the order in which items
//     begin. Events of earlier items still go on at once.
//
//   - The end of the response decides all calls in one batch. A call is said four times (its item as it begins, its
//     arguments in pieces and once more as a whole, its item as it ends, the response's output): all four must say the
//     same, and one decision gates them all. Then what was held goes on, and the end with the output as it was released.
//
//   - A message with the refusal takes the place of a denied call, at its index, so that every other item keeps its own.
//     An allowed call that goes out with other arguments says them at once where its first piece was.
//
//   - Texts may go through a filter, each one through its own. What repeats a text (its end, the end of its part and of its
//     item, the response) must repeat it as it was said, and is shown as it was shown.
//
//   - Sequence numbers stay as they are while nothing is changed. An event that goes on before held ones takes the next
//     number, and so do all that follow one that was put in or left out: to a client they only rise.
//
// An event, an item or a part of an unknown type could carry a call, and is refused; so is one of an item that has not begun
// or has ended. Errors stick, and nothing is released after one.
package openairesponses
