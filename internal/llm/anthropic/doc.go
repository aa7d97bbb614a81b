// Package anthropic is the dialect of Anthropic's Messages, as Anthropic and the compatible providers speak it. The body
// of a request to count its tokens is of the same form.
//
// A request is read once, to a view (llm.Request) of spans over its bytes. fields.go has the tables: of the top-level
// fields, and of the kinds of blocks that a content may have, with the members of each and where it may stand. A field in no table
// is reported, a kind of block that is in none is an error, and so is a member that goes with another kind, or a block under a role that
// it does not belong to. A tool whose type is none that the client runs is a server tool; its calls and results, which
// stand in an assistant's turn, are calls and results as well. What a provider fetches or holds is a feature.
//
// Apply edits by splicing. The result of a client's tool takes its text as its content. That of a server tool has no
// place for a text: a block of text stands in the place of it and of its call. What a model thought is signed: it goes on
// byte for byte, or its block leaves as a whole. When the last tool leaves, a stub stays where the history has calls.
//
// A whole answer is read the same way (ParseResponse); the calls in it are those of tools that the client runs. Rewrite
// puts a block of text in the place of each denied one and lets the turn end by "end_turn" when none is left.
//
// A stream's events are read to an Event each: that is what package hold/anthropic releases from.
package anthropic
