package policies

// Pins tells of each of the tools that a server offers to a client what is known of its description, and what the data says of
// that: the same comparison that a request's decision makes. A finding for a tool that is not pinned, or whose description is an
// approved one, has no mode; one of mode PinRefuse is neither to be listed nor called.
func (e *Engine) Pins(client string, tools []Tool) []PinFinding {
	out := make([]PinFinding, len(tools))
	s := e.current.Load()
	for i := range tools {
		out[i] = PinFinding{Tool: tools[i].Name, State: PinNone, Hash: tools[i].Hash}
		if s == nil {
			out[i].State, out[i].Mode = PinChanged, PinRefuse // no policies are in force
			continue
		}
		state, rules := s.tables.pin(client, &tools[i])
		out[i].State = state
		if state == PinNew || state == PinChanged {
			out[i].Tool, out[i].Mode = rules.Tool, rules.Pin
		}
	}
	return out
}
