// Package render shows a person what no model with tools read: it resolves the references in an assistant's text as it streams, and
// makes what it puts in harmless first.
//
// Harmless text shows itself and does nothing else. Characters that nobody sees (control, format, tag and bidirectional characters,
// variation selectors, fillers) are dropped before anything is decided, so that none can hide a construct. Then what Markdown or
// HTML would act on is broken by as little as can be: a backslash before what would begin a heading, a quote, a fence, a table,
// emphasis or code; a space inside what would be a link, an image, a tag, an entity or an address that clients make a link of.
// Links to listed hosts stay. Ordinary prose comes out as it went in.
//
// A Filter does this to a text in pieces, with the same outcome for any pieces: a construct is decided when enough of it is there,
// and less than 400 bytes are ever kept back. Text resolves references: what the model wrote passes byte for byte, and a
// reference does not resolve in an address, a link's target or a tag, where its value could be sent to whoever the address names.
package render
