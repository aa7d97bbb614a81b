// Package project makes of a tool's result what a model may read of it: its projection, without any model.
//
// A content is parsed as JSON, YAML, a Python literal, CSV or a table, all under limits; anything else, and whatever is malformed,
// gigantic, or ambiguous (a name that stands twice), is one text. The tree is then walked along the rules of the tool, which
// come from policy and from its pinned output schema. Names that these know stay, in an order of their own. A value stays when
// it has the type that a rule gives it (a range, a date, one of a list of words, a pattern) or, with no rule, when it is a truth
// value, a short number or a date. Everything else is a reference: other names, all other texts, whole lists that are too long.
//
// A Skeleton is the outcome. It counts its information as if it were sent in a prefix code (code.go): how long a list is, which
// names are there, and whether a value kept to its rule cost as well as the value does. What does not fit into the capacity is a
// reference; once nothing fits, everything is one, and costs nothing as it no longer depends on the content. The same content
// under the same rules and capacity gives the same bytes, and no text of the content is in them outside typed values.
package project
