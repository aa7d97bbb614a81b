package llm

// Edit is what changes in a request on its way to the provider. Whatever it does not name stays byte for byte. Calls,
// results and parts are named by their index in the view.
type Edit struct {
	Model       string          // as the provider names it; "" leaves it
	HideTools   map[string]bool // tools that are not offered, by name
	DropResults map[int]string  // results, and the text that takes the place of each

	Results   map[int][]byte // the same, as bytes; a result stands in one of the two
	CallIDs   map[int]string // calls of the history, and the id of each at the provider; "" where it gave none
	CallTools map[int]string // calls, and the name that takes the place of the tool's, there and in the results of them that are replaced
	ResultIDs map[int]string // results, and the id of the call that each answers
	Arguments map[int][]byte // calls, and their arguments in the form of ToolCall

	// PartTexts are parts, and the text that takes the place of each: of a string; of media in a content, which becomes a
	// part of text; of any other value only an empty text, which takes it out.
	PartTexts map[int][]byte

	// Answers are results of calls that the provider keeps and the client was never given: what stands in the place of a
	// call that was refused. Only a dialect whose provider keeps its answers takes any.
	Answers []Answer

	// Store is whether the provider keeps the answer, where a dialect lets a request say so; nil leaves what it says.
	Store *bool
}

// Answer is the result of a call that stands in no history.
type Answer struct {
	ID, Tool string
	Custom   bool
	Text     string
}
