package gemini

import "github.com/yellowjack/yellowjack/internal/strictjson"

// class says what a field of a request may do, and so who is asked about it.
type class byte

const (
	// inert fields shape the text that the model writes, or the provider's accounts. They pass byte for byte.
	inert class = iota
	// prose fields are as inert as that, and carry text of the application's that the model reads.
	prose
	// structural fields are read: the contents, the tools and their companions.
	structural
	// asked fields select models, bring in content that no proxy sees, or make the provider keep the conversation. Each is
	// a feature that policy must grant by name.
	asked
)

// The kinds of value that a field takes, besides null, which every field takes as if it were not there. A list may be one
// element without its brackets.
const (
	aNumber  = "0"
	aString  = `"`
	aBool    = "tf"
	anObject = "{"
	aList    = "["
	messages = anObject + aList
)

type rule struct {
	class class
	kinds string
}

// requestFields is the table of the top-level fields. A name that is not in it is reported as unknown, and refused unless
// policy lists it.
var requestFields = map[string]rule{ //nolint:gochecknoglobals // a constant in all but syntax
	"model":             {structural, aString}, // said in the path
	"contents":          {structural, messages},
	"systemInstruction": {structural, anObject},
	"tools":             {structural, messages},
	"toolConfig":        {structural, anObject},
	"generationConfig":  {structural, anObject},
	"safetySettings":    {inert, messages},
	"labels":            {inert, anObject},
	"serviceTier":       {inert, aString},

	// What was cached may hold a system instruction, contents and tools; a token, what came before.
	"cachedContent":     {asked, aString},
	"continuationToken": {asked, aString},
	// Templates at the provider that judge, and may block, what is said.
	"modelArmorConfig": {asked, anObject},
	// The provider keeps what was said; asked only when it is true.
	"store": {asked, aBool},
}

// generationFields is the table of the fields of a generationConfig; a name that is not in it is unknown, too.
var generationFields = map[string]rule{ //nolint:gochecknoglobals // a constant in all but syntax
	"candidateCount": {structural, aNumber},
	"routingConfig":  {structural, anObject}, // Vertex AI: which models answer

	// How the text is sampled, how long it is, and what comes with it.
	"temperature":                {inert, aNumber},
	"topP":                       {inert, aNumber},
	"topK":                       {inert, aNumber},
	"maxOutputTokens":            {inert, aNumber},
	"stopSequences":              {inert, aString + aList},
	"presencePenalty":            {inert, aNumber},
	"frequencyPenalty":           {inert, aNumber},
	"seed":                       {inert, aNumber},
	"responseLogprobs":           {inert, aBool},
	"logprobs":                   {inert, aNumber},
	"responseMimeType":           {inert, aString},
	"responseModalities":         {inert, aString + aList},
	"mediaResolution":            {inert, aString},
	"audioTimestamp":             {inert, aBool},
	"thinkingConfig":             {inert, anObject},
	"imageConfig":                {inert, anObject},
	"speechConfig":               {inert, anObject},
	"enableEnhancedCivicAnswers": {inert, aBool},
	"enableAffectiveDialog":      {inert, aBool},
	"automaticContinuation":      {inert, aBool},

	// Schemas with descriptions in them, words to listen for.
	"responseSchema":           {prose, anObject},
	"responseJsonSchema":       {prose, anObject},
	"_responseJsonSchema":      {prose, anObject},
	"responseFormat":           {prose, messages},
	"audioTranscriptionConfig": {prose, anObject},

	// What chooses the model, goes on where another answer ended, or writes the answer elsewhere.
	"modelSelectionConfig":   {asked, anObject}, // Vertex AI
	"modelConfig":            {asked, anObject}, // its older name
	"generationOutputConfig": {asked, anObject},
	"continuationToken":      {asked, aString},
}

// The names known at each place. What is not among them is reported as unknown, as in "contents.parts.NAME".
var ( //nolint:gochecknoglobals // constants in all but syntax
	requestNames    = tableOf(requestFields)
	generationNames = tableOf(generationFields)
	routingNames    = namesOf("autoMode", "manualMode")
	manualNames     = namesOf("modelName")

	contentNames = namesOf("role", "parts")
	roles        = strictjson.NewNames("user", "model", "function", "tool") // cost nothing to read
	partNames    = namesOf("text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall", "functionResponse",
		"executableCode", "codeExecutionResult", "toolCall", "toolResponse", "videoMetadata", "mediaResolution",
		"mediaProcessing", "partMetadata", "speechMetadata", "audioTranscription")
	mediaNames    = namesOf("mimeType", "data", "fileUri", "displayName")
	callNames     = namesOf("id", "name", "args", "partialArgs", "willContinue")
	resultNames   = namesOf("id", "name", "response", "parts", "willContinue", "scheduling")
	resultParts   = namesOf("inlineData", "fileData", "mediaProcessing")
	codeNames     = namesOf("id", "language", "code")
	outputNames   = namesOf("id", "outcome", "output")
	toolCallNames = namesOf("id", "toolType", "args")
	toolBackNames = namesOf("id", "toolType", "response")

	// toolNames are known so that none can hide behind another case; one that is not among them is a server tool as well.
	toolNames = namesOf("functionDeclarations", "googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext",
		"computerUse", "fileSearch", "googleMaps", "mcpServers", "retrieval", "enterpriseWebSearch", "parallelAiSearch",
		"exaAiSearch")
	functionNames = namesOf("name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema",
		"behavior")
	configNames = namesOf("functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations")
	chooseNames = namesOf("mode", "allowedFunctionNames", "streamFunctionCallArguments")
)

func tableOf(table map[string]rule) *names {
	all := make([]string, 0, len(table))
	for name := range table {
		all = append(all, name)
	}
	return namesOf(all...)
}

// The types of tools that run inside the provider and whose calls and results come back in the history.
const (
	codeExecution = "codeExecution"
	mcpServers    = "mcpServers"
)
