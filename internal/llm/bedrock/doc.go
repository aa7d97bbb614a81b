// Package bedrock is the dialect of Amazon Bedrock's Converse and ConverseStream.
//
// Model and whether to stream stand in the path (ParsePath); every other operation is refused by name. A model that is a
// stored prompt or a router is a feature, for what it brings along no proxy can see.
//
// A request is read once, to a view (llm.Request) of spans over its bytes. fields.go has the tables: of the top-level
// fields, and of the kinds of blocks and where each may stand. A block is an object with one member, which is its kind; one
// with two, or of a kind that is not known, is an error, and so is a block that changes the tools in the middle of a
// conversation. A field in no table is reported. What is handed to the model beside the API (additionalModelRequestFields)
// may be tools and context of its own form: each of its fields is a feature. So is what is fetched from S3.
//
// Apply edits by splicing; the model is none of the body's. A result takes its text as its only content. That of a tool
// that runs inside the provider has no place for a text: a block of text stands in the place of it and of its call. What a
// model thought is signed: it goes on byte for byte, or its block leaves as a whole. When the last tool leaves, a stub
// stays where the history has tool blocks, without which Bedrock refuses them.
//
// A whole answer is read the same way (ParseResponse). Rewrite puts a block of text in the place of each denied call and
// lets the turn end by "end_turn" when none is left. Where anything was taken out, what may repeat it leaves, too: the
// model's own fields, and the trace.
//
// A stream's events are read to an Event each: that is what package hold/bedrock releases from.
package bedrock
