// Package ref makes references to what no model with tools may read, and resolves them where they are passed on.
//
// A reference is a name, "$ref_" and 16 letters: a MAC of the content's hash and of the place in it, under a key of the principal's
// conversation. So the same content gets the same names in a conversation, nobody can guess one, and one of another principal,
// conversation or installation is nothing here. Eight of its letters stand for the result, which is one record in the store; the
// other eight for the value in it.
//
// The Table of an exchange knows the references of the results that came with it, and loads those of older ones from the store.
// A name that it does not know, whoever made it up or let it expire, is ErrUnknown and nothing else.
//
// A model passes references on in the arguments of tool calls and in what it writes to the person. Uses lists those in arguments,
// each with its path and the label of its value, for policy to decide on. Resolve puts the values in afterwards, where Permit
// lets it: as a whole value, inside a text, or as a structure. What is put in is never looked through for references again. The
// Scanner finds references in a text that comes in pieces, with the same outcome for any pieces, and holds back less than one
// name.
package ref
