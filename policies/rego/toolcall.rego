# METADATA
# title: Which tool calls may be made
# description: >-
#   A call is allowed when its tool was offered, is visible, and its audience may read
#   everything that the context holds. Whatever is not allowed is denied, and the reason says why.
# schemas:
#   - input: schema.toolcall
package yellowjack.shipped.toolcall

import data.yellowjack.lib
import data.yellowjack.visible

# METADATA
# title: The decision, one verdict for each of input.calls
decision := {"calls": [verdict(call) | some call in input.calls]}

verdict(call) := {"verdict": "allow"} if {
	call.offered == true
	tool := visible.tools[call.tool]
	not data.tools[tool].audience
} else := {"verdict": "allow"} if {
	call.offered == true
	audience := data.tools[visible.tools[call.tool]].audience
	lib.confidentiality <= lib.rank[audience]
} else := {
	"verdict": "deny",
	"rule": "tools.allow",
	"reason": sprintf("tool %s is not granted to you (rule tools.allow)", [call.tool]),
} if {
	not visible.tools[call.tool]
} else := {
	"verdict": "deny",
	"rule": "tools.offered",
	"reason": sprintf("tool %s was not offered in this request (rule tools.offered)", [visible.tools[call.tool]]),
} if {
	not call.offered == true
} else := {
	"verdict": "deny",
	"rule": "tools.audience",
	"reason": sprintf(
		"tool %s has audience %s and the conversation holds %s data (rule tools.audience)",
		[tool, data.tools[tool].audience, level],
	),
} if {
	tool := visible.tools[call.tool]
	some level, n in lib.rank
	n == lib.confidentiality
}
