# METADATA
# title: Which tool calls may be made
# description: >-
#   A call is allowed when its tool was offered, is visible, may be called in this context, its
#   audience may read everything that the context and its arguments hold, and its arguments come
#   from where data.tools.<tool>.args says. Whatever is not allowed is denied, or left to a person
#   to confirm where the data says so, and the reason says why.
# schemas:
#   - input: schema.toolcall
package yellowjack.shipped.toolcall

import data.yellowjack.lib
import data.yellowjack.visible

# METADATA
# title: The decision, one verdict for each of input.calls
decision := {"calls": [verdict(call) | some call in input.calls]}

# The first is most calls, and only quicker: nothing in it can stem from a third party, and its tool is one
# that states no audience, grant or confirmation.
verdict(call) := {"verdict": "allow"} if {
	call.clean == true
	call.offered == true
	data.derived.plain[visible.tools[call.tool]]
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
	"rule": "tools.sensitive",
	"reason": sprintf(
		"tool %s is sensitive and the conversation holds content of third parties (rule tools.sensitive)",
		[visible.tools[call.tool]],
	),
} if {
	not input.context.integrity == "trusted"
	data.tools[visible.tools[call.tool]].sensitive
} else := {
	"verdict": "deny",
	"rule": "tools.audience",
	"reason": sprintf(
		"tool %s has audience %s and the conversation holds %s data (rule tools.audience)",
		[tool, audience, level],
	),
} if {
	tool := visible.tools[call.tool]
	audience := data.tools[tool].audience
	level := confidentiality(call)
	lib.rank[level] > lib.rank[audience]
} else := {
	"verdict": "deny",
	"rule": "tools.grant",
	"reason": sprintf("tool %s runs only calls that a model made and that were released (rule tools.grant)", [tool]),
} if {
	tool := visible.tools[call.tool]
	data.tools[tool].grant == "required"
	not input.walk == "model"
	not call.granted == true
} else := {
	"verdict": unproven(tool),
	"rule": "tools.args",
	"reason": sprintf("tool %s: %s (rule tools.args)", [tool, concerns[0]]),
} if {
	tool := visible.tools[call.tool]
	concerns := sort(objections(call, tool))
	concerns != []
} else := {
	"verdict": "confirm",
	"rule": "tools.confirm",
	"reason": sprintf("tool %s needs a person's confirmation (rule tools.confirm)", [tool]),
} if {
	tool := visible.tools[call.tool]
	data.tools[tool].confirm == "always"
} else := {"verdict": "allow"} if {
	call.offered == true
	call.args == call.args # what is missing from the input allows nothing
	read_by(data.tools[visible.tools[call.tool]], call)
}

read_by(tool, _) if not tool.audience

read_by(tool, call) if lib.rank[confidentiality(call)] <= lib.rank[tool.audience]

# The most confidential of what the model read and of what the references in the arguments stand for.
confidentiality(call) := [level |
	some level in ["secret", "internal", "public"]
	level in ({input.context.confidentiality} | {arg.confidentiality | some arg in call.args})
][0]

# What is done about arguments that are not what they must be.
unproven(tool) := "confirm" if {
	data.tools[tool].confirm in {"tainted", "always"}
} else := "deny"

# Why the call must not be made with these arguments, or at all: nothing of a clean one.
objections(call, tool) := array.concat(
	[reason |
		some arg in call.args
		reason := objection(arg, origin(tool, arg))
	],
	[reason |
		changes(tool)
		call.args == []
		not data.tools[tool].args
		reason := "without arguments nothing shows that the person asked for it, and the conversation holds content of third parties"
	],
) if {
	not call.clean == true
} else := []

# A reference stands for a whole value; only in a text it may be a piece of one.
objection(arg, word) := sprintf("argument %s holds a reference inside of a text", [arg.path]) if {
	arg.ref == true
	not arg.whole == true
	word != "text"
} else := sprintf("argument %s must be trusted or in the person's own words", [arg.path]) if {
	word == "trusted"
	not believed(arg)
}

believed(arg) if {
	arg.integrity == "trusted"
}

believed(arg) if {
	arg.person == true
	not arg.ref == true
}

# Where the argument may come from: what the data says of its path or of its first name; else anywhere when
# the tool only reads, and from no third party when it changes something.
origin(tool, arg) := word if {
	word := data.tools[tool].args[arg.path]
} else := word if {
	word := data.tools[tool].args[arg.name]
} else := "trusted" if {
	changes(tool)
} else := "any"

changes(tool) if not data.tools[tool].effect == "read"
