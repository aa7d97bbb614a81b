// Package protocol knows the versions of MCP: which there are, what a client may ask in each, and which headers a request has to
// carry.
//
// There are two eras. Legacy versions (2025-11-25 and before) open a session with `initialize` and let the server ask the client
// on its streams; modern ones (2026-07-28) are stateless: each request says its version, its client and its capabilities in _meta,
// and mirrors what it is about in headers, which have to agree with the body ("Server Validation").
package protocol

import "slices"

// The versions, newest first.
const (
	V20260728 = "2026-07-28"
	V20251125 = "2025-11-25"
	V20250618 = "2025-06-18"
	V20250326 = "2025-03-26"
)

// Versions are those that are spoken, newest first.
func Versions() []string { return []string{V20260728, V20251125, V20250618, V20250326} }

// LegacyVersions are those that begin with initialize, newest first.
func LegacyVersions() []string { return Versions()[1:] }

// Known tells whether a version is spoken.
func Known(version string) bool { return slices.Contains(Versions(), version) }

// Modern tells whether a version is stateless.
func Modern(version string) bool { return version == V20260728 }

// Batches tells whether a version has batches (2025-03-26 alone).
func Batches(version string) bool { return version == V20250326 }

// Answer is the version in which a server answers an initialize that asks for one: that one, or else the newest legacy one
// (2025-11-25, "Version Negotiation").
func Answer(asked string) string {
	if slices.Contains(LegacyVersions(), asked) {
		return asked
	}
	return V20251125
}

// Names of _meta members that belong to the protocol itself (2026-07-28, "_meta").
const (
	MetaVersion        = "io.modelcontextprotocol/protocolVersion"
	MetaClientInfo     = "io.modelcontextprotocol/clientInfo"
	MetaCapabilities   = "io.modelcontextprotocol/clientCapabilities"
	MetaLogLevel       = "io.modelcontextprotocol/logLevel"
	MetaSubscription   = "io.modelcontextprotocol/subscriptionId"
	MetaServerInfo     = "io.modelcontextprotocol/serverInfo"
	MetaProgressToken  = "progressToken"
	ExtensionTasks     = "io.modelcontextprotocol/tasks"
	ResultComplete     = "complete"
	ResultInput        = "input_required"
	ScopePrivate       = "private"
	NotifyProgress     = "notifications/progress"
	NotifyMessage      = "notifications/message"
	NotifyCancelled    = "notifications/cancelled"
	NotifyInitialized  = "notifications/initialized"
	NotifyRoots        = "notifications/roots/list_changed"
	NotifyTools        = "notifications/tools/list_changed"
	NotifyPrompts      = "notifications/prompts/list_changed"
	NotifyResources    = "notifications/resources/list_changed"
	NotifyUpdated      = "notifications/resources/updated"
	NotifyAcknowledged = "notifications/subscriptions/acknowledged"
	NotifyElicited     = "notifications/elicitation/complete"
)

// Methods that a client calls.
const (
	Initialize    = "initialize"
	Ping          = "ping"
	Discover      = "server/discover"
	Listen        = "subscriptions/listen"
	ListTools     = "tools/list"
	CallTool      = "tools/call"
	ListResources = "resources/list"
	ListTemplates = "resources/templates/list"
	ReadResource  = "resources/read"
	Subscribe     = "resources/subscribe"
	Unsubscribe   = "resources/unsubscribe"
	ListPrompts   = "prompts/list"
	GetPrompt     = "prompts/get"
	Complete      = "completion/complete"
	SetLogLevel   = "logging/setLevel"
	GetTask       = "tasks/get"
	TaskResult    = "tasks/result"
	ListTasks     = "tasks/list"
	CancelTask    = "tasks/cancel"
	UpdateTask    = "tasks/update"
)

// Methods that a server calls: requests on a stream in the legacy era, input requests in the modern one.
const (
	Elicit       = "elicitation/create"
	CreateSample = "sampling/createMessage"
	ListRoots    = "roots/list"
)

// span is the versions that have a method: from the first to the last, both included.
type span struct{ first, last string }

// methods are the requests that a client may make, and the versions that have them.
var methods = map[string]span{
	Initialize: {V20250326, V20251125}, Ping: {V20250326, V20251125}, SetLogLevel: {V20250326, V20251125},
	Subscribe: {V20250326, V20251125}, Unsubscribe: {V20250326, V20251125},
	Discover: {V20260728, V20260728}, Listen: {V20260728, V20260728},
	ListTools: {V20250326, V20260728}, CallTool: {V20250326, V20260728},
	ListResources: {V20250326, V20260728}, ListTemplates: {V20250326, V20260728}, ReadResource: {V20250326, V20260728},
	ListPrompts: {V20250326, V20260728}, GetPrompt: {V20250326, V20260728}, Complete: {V20250326, V20260728},
	GetTask: {V20251125, V20260728}, CancelTask: {V20251125, V20260728},
	TaskResult: {V20251125, V20251125}, ListTasks: {V20251125, V20251125}, UpdateTask: {V20260728, V20260728},
}

// Has tells whether a version has a method that a client calls. Versions are dates, so they order as texts.
func Has(version, method string) bool {
	s, ok := methods[method]
	return ok && s.first <= version && version <= s.last
}

// MayNeedInput tells whether a call may be answered by the wish for input ("Supported Requests" of 2026-07-28).
func MayNeedInput(method string) bool {
	return method == CallTool || method == ReadResource || method == GetPrompt
}

// Cacheable tells whether a result carries ttlMs and cacheScope in the modern era ("Caching").
func Cacheable(method string) bool {
	switch method {
	case Discover, ListTools, ListResources, ListTemplates, ReadResource, ListPrompts:
		return true
	}
	return false
}

// CapabilityFor is the client's capability without which a server may not ask for an input; "" is none that is known.
func CapabilityFor(method string) string {
	switch method {
	case Elicit:
		return "elicitation"
	case CreateSample:
		return "sampling"
	case ListRoots:
		return "roots"
	}
	return ""
}

// levels of logging, from the least (RFC 5424).
var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// KnownLevel tells whether a level of logging is one.
func KnownLevel(level string) bool { return slices.Contains(levels, level) }

// Loud tells whether a message of a level reaches a client that wants to hear the least level and above.
func Loud(level, least string) bool {
	return KnownLevel(least) && slices.Index(levels, level) >= slices.Index(levels, least)
}
