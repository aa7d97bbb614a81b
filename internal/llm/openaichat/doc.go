// Package openaichat is the dialect of OpenAI's chat completions, as OpenAI, OpenRouter and the compatible providers
// speak it.
//
// A request is read once, to a view (llm.Request) of spans over its bytes: the model and every further model named, the
// tools in both lists, every result and call in the history under whatever role and shape, and what selects models or
// runs tools out of our sight, as features. fields.go has the table of the fields; a name in no table is reported, one
// that differs from a known name only by case is an error, at every level that is read. Whatever the model reads is a
// part (request_parts.go), and what the provider fetches ("remote:image_url") or holds ("stored:file") is a feature: no
// proxy sees it. Apply edits by splicing; with a result that is replaced goes all that its message carries besides.
//
// A whole answer is read the same way (ParseResponse); its calls are decided by the caller, and Rewrite takes the denied
// ones out, puts the verdicts' texts behind the assistant's own, and lets the choice end by "stop" when none is left;
// allowed ones take the ids and arguments that were decided, and texts go through their filters. What
// a client could not run, or what is not what it seems, is marked as malformed and never released: arguments that are
// not one strict JSON object, a missing id or name, an unknown type, an id given twice, an answer that was cut.
//
// A stream's events are read to a Chunk each, which can be cut into pieces: that is what package hold releases from.
package openaichat
