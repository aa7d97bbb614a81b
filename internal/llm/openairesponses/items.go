package openairesponses

// mask is a set of an item's members.
type mask uint64

// The members of all items. One that an item's type does not have is reported as unknown.
const (
	mType mask = 1 << iota
	mRole
	mID
	mStatus
	mPhase
	mContent
	mCallID
	mName
	mNamespace
	mArguments
	mInput
	mAction
	mActions
	mOperation
	mOutput
	mSummary
	mEncrypted
	mResults
	mQueries
	mCode
	mOutputs
	mContainer
	mResult
	mPrompt // revised_prompt
	mFormat // what an image looks like
	mError
	mTools
	mServer // server_label
	mApproval
	mApprove
	mReason
	mChecks  // pending_safety_checks
	mChecked // acknowledged_safety_checks
	mEnvironment
	mExecution
	mFingerprint
	mMore // of no meaning to the model: caller, created_by, async, …
)

// members is the table of the members' names.
var members = map[string]mask{ //nolint:gochecknoglobals // a constant in all but syntax
	"type": mType, "role": mRole, "id": mID, "status": mStatus, "phase": mPhase, "content": mContent, "call_id": mCallID,
	"name": mName, "namespace": mNamespace, "arguments": mArguments, "input": mInput, "action": mAction, "actions": mActions,
	"operation": mOperation, "output": mOutput, "summary": mSummary, "encrypted_content": mEncrypted, "results": mResults,
	"queries": mQueries, "code": mCode, "outputs": mOutputs, "container_id": mContainer, "result": mResult,
	"revised_prompt": mPrompt, "background": mFormat, "output_format": mFormat, "quality": mFormat, "size": mFormat,
	"svg_usage": mFormat, "error": mError, "tools": mTools, "server_label": mServer, "approval_request_id": mApproval,
	"approve": mApprove, "reason": mReason, "pending_safety_checks": mChecks, "acknowledged_safety_checks": mChecked,
	"environment": mEnvironment, "execution": mExecution, "fingerprint": mFingerprint,
	"caller": mMore, "created_by": mMore, "async": mMore, "max_output_length": mMore, "cache_control": mMore,
}

// family says what an item is.
type family byte

const (
	aMessage    family = iota + 1
	aCall              // that the client runs
	aResult            // of such a call
	aServerTool        // a call that ran inside the provider, with what came of it
	aThought           // reasoning
	aCompaction        // an encrypted form of earlier items
	aReference         // to an item that the provider keeps
	aToolList          // tools that are offered from here on
	anApproval         // the client's answer to a request of the provider's
	aMarker            // says nothing
)

// form is how a text takes the place of a result's content.
type form byte

const (
	asText       form = iota // a string
	asShell                  // the list of a shell's outputs
	asScreenshot             // an empty image, and a message with the text behind the item
	asTools                  // an empty list: what is offered is judged tool by tool
	asMessage                // a message in the place of the whole item
	asMember                 // a string in a member that is not there
)

// itemType is one type of item.
type itemType struct {
	family family
	has    mask   // members that it may have, besides those that every item may
	needs  mask   // and that it must
	tool   string // the name of the tool that a call is of, and a result; "" when the call says it
	said   mask   // the member with a call's arguments, or a result's content
	form   form   // of the result's content
	blank  string // what stands for a call's arguments when they are taken out
}

const everyItem = mType | mID | mStatus | mMore

// The tools that OpenAI defines and a client runs. All of a computer's types are one tool.
const (
	toolLocalShell = "local_shell"
	toolShell      = "shell"
	toolApplyPatch = "apply_patch"
	toolComputer   = "computer"
	toolSearch     = "tool_search"
)

// items is the table of the items.
var items = map[string]itemType{ //nolint:gochecknoglobals // a constant in all but syntax
	"message": {family: aMessage, has: mRole | mContent | mPhase, needs: mRole | mContent},

	"function_call":    {family: aCall, has: mCallID | mName | mNamespace | mArguments, needs: mName, said: mArguments},
	"custom_tool_call": {family: aCall, has: mCallID | mName | mNamespace | mInput, needs: mName, said: mInput},
	"local_shell_call": {
		family: aCall, has: mCallID | mAction, needs: mAction, tool: toolLocalShell, said: mAction,
		blank: `{"type":"exec","command":[],"env":{}}`,
	},
	"shell_call": {
		family: aCall, has: mCallID | mAction | mEnvironment, needs: mAction, tool: toolShell, said: mAction, blank: `{"commands":[]}`,
	},
	"computer_call": {
		family: aCall, has: mCallID | mAction | mActions | mChecks, tool: toolComputer, said: mAction | mActions, blank: `{"type":"wait"}`,
	},
	"apply_patch_call": {
		family: aCall, has: mCallID | mOperation, needs: mOperation, tool: toolApplyPatch, said: mOperation,
		blank: `{"type":"update_file","path":"unknown","diff":""}`,
	},
	"tool_search_call": {family: aCall, has: mCallID | mArguments | mExecution, tool: toolSearch, said: mArguments, blank: `{}`},

	"function_call_output":    {family: aResult, has: mCallID | mOutput | mName | mNamespace, needs: mOutput, said: mOutput},
	"custom_tool_call_output": {family: aResult, has: mCallID | mOutput | mName | mNamespace, needs: mOutput, said: mOutput},
	"local_shell_call_output": {family: aResult, has: mCallID | mOutput, needs: mOutput, said: mOutput},
	"shell_call_output":       {family: aResult, has: mCallID | mOutput, needs: mOutput, said: mOutput, form: asShell},
	"apply_patch_call_output": {family: aResult, has: mCallID | mOutput, said: mOutput},
	"computer_call_output":    {family: aResult, has: mCallID | mOutput | mChecked, needs: mOutput, said: mOutput, form: asScreenshot},
	"tool_search_output":      {family: aResult, has: mCallID | mTools | mExecution, needs: mTools, said: mTools, form: asTools},

	"web_search_call":       {family: aServerTool, has: mAction | mResults, form: asMessage},
	"file_search_call":      {family: aServerTool, has: mQueries | mResults, form: asMessage},
	"code_interpreter_call": {family: aServerTool, has: mCode | mContainer | mOutputs, form: asMessage},
	"image_generation_call": {family: aServerTool, has: mResult | mPrompt | mAction | mFormat | mError, form: asMessage},
	"mcp_call": {
		family: aServerTool, has: mServer | mName | mArguments | mOutput | mError | mApproval, form: asMessage,
	},
	"mcp_list_tools":       {family: aServerTool, has: mServer | mTools | mError, form: asMessage},
	"mcp_approval_request": {family: aServerTool, has: mServer | mName | mArguments, form: asMessage},
	"program":              {family: aServerTool, has: mCallID | mCode | mFingerprint, form: asMessage},
	"program_output":       {family: aServerTool, has: mCallID | mResult, form: asMessage},

	"mcp_approval_response": {family: anApproval, has: mApproval | mApprove | mReason, needs: mApproval | mApprove},
	"additional_tools":      {family: aToolList, has: mRole | mTools, needs: mTools},
	"reasoning":             {family: aThought, has: mSummary | mContent | mEncrypted},
	"compaction":            {family: aCompaction, has: mEncrypted},
	"compaction_trigger":    {family: aMarker},
	"item_reference":        {family: aReference, needs: mID},
}
