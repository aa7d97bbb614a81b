package extproc

import "strconv"

// clip bounds a client's text in a log line.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// quoted bounds and quotes a client's own word in a text for that client.
func quoted(s string) string { return strconv.Quote(clip(s)) }

// toolName names a tool for a person; a result that no call accounts for has none.
func toolName(s string) string {
	if s == "" {
		return "an unknown tool"
	}
	return quoted(s)
}
