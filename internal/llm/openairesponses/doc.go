// Package openairesponses is the dialect of OpenAI's Responses API, as OpenAI, OpenRouter and the compatible providers
// speak it.
//
// A request is read once, to a view (llm.Request) of spans over its bytes. Its input is a text or a list of items; each
// item is a message of the view, but for those that a model wrote one after the other (messages, what it thought, calls),
// which are one turn. fields.go has the tables of the fields and items.go that of the items: a name in no table is
// reported, one that differs from a known name only by case is an error, and an item of another type is refused. What the
// gateway cannot see (an earlier response, a conversation, a stored prompt or item, a compaction, what the provider
// fetches or holds) is a feature, and so is a tool that runs inside the provider. Its calls in the history carry their
// results with them: results of an unknown tool. Apply edits by splicing.
//
// A whole answer is read the same way (ParseResponse); its calls are decided by the caller, and Rewrite puts a message in
// the place of each denied one, gives allowed ones the ids and arguments that were decided, and texts go through their
// filters. What a client could not run, or what is not what it seems, is marked as malformed and never released.
//
// A stream's events are read to an Event each, which has what of it can be put in another form; the events of a message
// of our own are written by stream_write.go. Which of them go on is for package hold/openairesponses to say.
package openairesponses
