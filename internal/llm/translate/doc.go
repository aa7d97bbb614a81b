// Package translate lets a client that speaks one dialect use a provider that speaks another.
//
// Between any two dialects stands one form of our own (request.go, answer.go): typed messages of blocks, tools, settings, and
// the events of a stream. A dialect has a codec for each side that it is spoken on: what clients of it say is decoded to that
// form and answers are encoded (a client's dialect), and requests are encoded and answers decoded (a provider's). N dialects
// so need N codecs, and pairs none.
//
// Translation stands outside of the guard. On the way up it comes after it: what the guard edited is translated whole. On the way
// down it comes behind it: the guard reads, decides and edits in the provider's dialect, and what it released is translated.
// So what is translated is what the guard saw, and nothing is held here but what an event of the other side needs: calls of a
// chat's stream, which may be interleaved, come at the end of the turn, where the gate releases them.
//
// What the other side cannot say is an error that names the field as the client wrote it, and is never left out in silence.
// Hints which change nothing of what is answered, or only what it costs, may be left out: hints.go has the table of them, each
// with its reason. In an answer, what a provider says about itself beside the message (fingerprints, ratings, timings) has no
// place in the other dialect and is left out; a block that cannot be said is an error.
//
// Documents come here after they were read strictly, and are read once more by types (json.go): a duplicate name, or one that is
// not known in a request, is an error here, too. What has no meaning here (arguments, schemas, cached marks) stays as it was
// written, but for white space between values.
//
// What a model thought keeps its signature, in whatever member the client's dialect has for it; no signature is ever made up. Where
// that member has no place for all that the provider needs back, it holds a small object with the rest (thought.go).
package translate
