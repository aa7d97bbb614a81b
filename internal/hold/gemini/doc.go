// Package gemini is the gate of streams of Gemini's streamGenerateContent, as server-sent events. It keeps the contract of
// package hold, on whose Core it is built.
//
// Each event is an answer of its own (llm/gemini.Response) with the next parts of one or more candidates. A call stands
// whole in one part. So:
//
//   - Comments, and events without a call, go on at once and byte for byte. Each is strictly read first.
//
//   - From a candidate's first call on, all that comes of it is held, in its order, until it has a finishReason: its parts
//     are one list, in which signatures have their places. What stands before the call in its event goes on at once, and
//     so do the other candidates.
//
//   - Then all calls of the candidate are decided in one batch. What was held goes on byte for byte, unless a call is
//     denied, gets an id or other arguments, or a text is filtered. Many calls have no id; the one that the verdict gives is
//     added. In the place of a denied call stands a part of text. A finishReason says nothing of calls, and stays.
//
//   - A part of a kind that is not known is an error, since it could be a call; so is a call that comes in pieces.
//
// The stream has no end mark: it may end when every candidate has finished, or the prompt was blocked.
package gemini
