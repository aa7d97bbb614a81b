package bedrock

import "github.com/yellowjack/yellowjack/internal/strictjson"

// class says what a top-level field of a request may do, and so who is asked about it.
type class byte

const (
	// inert fields shape the text that the model writes, or the provider's accounts. They pass byte for byte.
	inert class = iota
	// prose fields are as inert as that, and carry text of the application's that the model reads.
	prose
	// structural fields are read.
	structural
	// asked fields hand something to the model, or take something from it, that this dialect does not describe, or have it
	// judged by something else. Each is a feature that policy must grant by name.
	asked
)

// The kinds of value that a field takes, besides null, which every field takes as if it were not there.
const (
	aString  = `"`
	aList    = "["
	anObject = "{"
)

type field struct {
	class class
	kinds string
}

// fields is the table of the top-level fields. A name that is not in it is reported as unknown, and refused unless policy
// lists it. The model is none of them.
var fields = map[string]field{ //nolint:gochecknoglobals // a constant in all but syntax
	"messages":   {structural, aList},
	"system":     {structural, aList},
	"toolConfig": {structural, anObject},

	// How the text is sampled, how long it is, and how fast it comes.
	"inferenceConfig":   {inert, anObject},
	"performanceConfig": {inert, anObject},
	"serviceTier":       {inert, anObject},
	"requestMetadata":   {inert, anObject}, // of the invocation log; only scalars

	"outputConfig":    {prose, anObject}, // a schema with descriptions in it
	"promptVariables": {prose, anObject}, // of the stored prompt that the model's ARN names

	"guardrailConfig": {asked, anObject}, // another judge of the text, by its id

	// The model's own API: tools, betas and context among it. One feature per field.
	"additionalModelRequestFields": {asked, anObject},
	// What comes back of the model's own answer. One feature per path.
	"additionalModelResponseFieldPaths": {asked, aList},
}

// The places in which a block may stand.
type place byte

const (
	inUser place = 1 << iota
	inAssistant
	inSystem
	inResult // the content of a tool's result
)

// Kinds of blocks.
const (
	kindText       = "text"
	kindJSON       = "json"
	kindImage      = "image"
	kindDocument   = "document"
	kindVideo      = "video"
	kindAudio      = "audio"
	kindToolUse    = "toolUse"
	kindToolResult = "toolResult"
	kindGuard      = "guardContent"
	kindCachePoint = "cachePoint"
	kindReasoning  = "reasoningContent"
	kindCitations  = "citationsContent"
	kindSearch     = "searchResult"
)

// blockKinds is the table of blocks, and where each may stand. What changes the tools in the middle of a conversation
// (toolAddition, toolRemoval) stands nowhere.
var blockKinds = map[string]place{ //nolint:gochecknoglobals // a constant in all but syntax
	kindText:       inUser | inAssistant | inSystem | inResult,
	kindJSON:       inResult,
	kindImage:      inUser | inAssistant | inResult, // some models answer with images
	kindDocument:   inUser | inResult,
	kindVideo:      inUser | inAssistant | inResult,
	kindAudio:      inUser | inAssistant,
	kindToolUse:    inAssistant,
	kindToolResult: inUser | inAssistant, // of the provider's own tools, in the assistant's
	kindGuard:      inUser | inSystem,
	kindCachePoint: inUser | inAssistant | inSystem,
	kindReasoning:  inAssistant,
	kindCitations:  inAssistant,
	kindSearch:     inUser | inResult,
}

// The names known at each place of a request. What is not among them is reported as unknown ("messages.NAME").
var ( //nolint:gochecknoglobals // constants in all but syntax
	requestNames = namesOf(fields, "modelId")
	messageNames = strictjson.NewNames("role", "content")
	blockNames   = namesOf(blockKinds, "toolAddition", "toolRemoval")

	mediaNames       = strictjson.NewNames("format", "source", "error")
	documentNames    = strictjson.NewNames("format", "name", "source", "context", "citations")
	sourceNames      = strictjson.NewNames("bytes", "s3Location", "text", "content")
	locationNames    = strictjson.NewNames("uri", "bucketOwner")
	toolUseNames     = strictjson.NewNames("toolUseId", "name", "input", "type")
	toolResultNames  = strictjson.NewNames("toolUseId", "content", "status", "type")
	guardNames       = strictjson.NewNames("text", "image")
	guardTextNames   = strictjson.NewNames("text", "qualifiers")
	cacheNames       = strictjson.NewNames("type", "ttl")
	reasoningNames   = strictjson.NewNames("reasoningText", "redactedContent")
	thoughtNames     = strictjson.NewNames("text", "signature")
	citationsNames   = strictjson.NewNames("content", "citations")
	searchNames      = strictjson.NewNames("source", "title", "content", "citations")
	textNames        = strictjson.NewNames("text")
	toolConfigNames  = strictjson.NewNames("tools", "toolChoice")
	toolNames        = strictjson.NewNames("toolSpec", "systemTool", "cachePoint")
	toolSpecNames    = strictjson.NewNames("name", "description", "inputSchema", "strict")
	schemaNames      = strictjson.NewNames("json")
	systemToolNames  = strictjson.NewNames("name")
	choiceNames      = strictjson.NewNames("auto", "any", "tool")
	chosenNames      = strictjson.NewNames("name")
	noNames          = strictjson.NewNames()
	guardConfigNames = strictjson.NewNames("guardrailIdentifier", "guardrailVersion", "trace", "streamProcessingMode")

	// roleNames are the values that cost nothing to read.
	roleNames = strictjson.NewNames("user", "assistant", "system", "success", "error")
)

func namesOf[V any](table map[string]V, more ...string) *strictjson.Names {
	for name := range table {
		more = append(more, name)
	}
	return strictjson.NewNames(more...)
}
