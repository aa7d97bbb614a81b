// Package gemini is the dialect of Google's generateContent and streamGenerateContent, as the Gemini API and Vertex AI
// speak it.
//
// Model, method and whether to stream stand in the path (ParsePath); of streams there are those of server-sent events
// (?alt=sse), and the one that is a JSON array is refused by name.
//
// A request is read once, to a view (llm.Request) of spans over its bytes. fields.go has the tables. The wire is protobuf's
// JSON, in which a field may be written in two ways (systemInstruction, system_instruction): both are known at every level
// that is read, and a field that is given in both is an error, since no two readers need agree on which one counts. So is
// a part that holds two things. A list may be one element without its brackets.
//
// A tool that is no function declaration runs inside the provider, and is a feature as well; so is content that is cached
// there. Contents of the model's that follow one another are one message, since SDKs send each event of a stream back as a
// content of its own. A call often has no id, and a client may leave out the one that it was given: a result without one
// answers the first call of its name in the last turn of the model's that has no result yet, as the provider reads it.
//
// Apply edits by splicing: a result that is replaced becomes {"output": text}. An id that is set to nothing leaves. What
// signs a thought stays byte for byte beside whatever is edited.
//
// An answer and an event of a stream have one form (ParseResponse). Rewrite, and Revise for package hold/gemini, put a
// part of text in the place of each denied call; a signature on it goes over to the next call that is released and has
// none, for the provider wants to see it on the first call of a turn.
package gemini
