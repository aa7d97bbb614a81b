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
# that states no audience, grant or confirmation. The second says all that an allowed call is; what comes after
# it says why another one is not.
verdict(call) := {"verdict": "allow"} if {
	call.clean == true
	call.offered == true
	data.derived.plain[visible.tools[call.tool]]
} else := {"verdict": "allow"} if {
	call.offered == true
	tool := data.tools[visible.tools[call.tool]]
	in_place(tool)
	read_by(tool, call)
	released(tool, call)
	not tool.confirm == "always"
	argued(tool, call)
} else := {
	"verdict": "deny",
	"rule": "tools.allow",
	"reason": sprintf("tool %s is not granted to you (rule tools.allow)", [call.tool]),
} if {
	not known(call)
} else := {
	"verdict": "deny",
	"rule": "tools.offered",
	"reason": sprintf("tool %s was not offered in this request (rule tools.offered)", [visible.tools[call.tool]]),
} if {
	not call.offered == true
} else := {
	"verdict": "deny",
	"rule": "tools.sensitive",
	"reason": sprintf("tool %s is sensitive and the conversation holds content of third parties (rule tools.sensitive)", [name]),
} if {
	name := visible.tools[call.tool]
	not in_place(data.tools[name])
} else := {
	"verdict": "deny",
	"rule": "tools.audience",
	"reason": sprintf(
		"tool %s has audience %s and the conversation holds %s data (rule tools.audience)",
		[name, data.tools[name].audience, confidentiality(call)],
	),
} if {
	name := visible.tools[call.tool]
	not read_by(data.tools[name], call)
} else := {
	"verdict": "deny",
	"rule": "tools.grant",
	"reason": sprintf("tool %s runs only calls that a model made and that were released (rule tools.grant)", [name]),
} if {
	name := visible.tools[call.tool]
	not released(data.tools[name], call)
} else := {
	"verdict": unproven(data.tools[name]),
	"rule": "tools.args",
	"reason": sprintf("tool %s: %s (rule tools.args)", [name, objection(data.tools[name], call)]),
} if {
	name := visible.tools[call.tool]
	not argued(data.tools[name], call)
} else := {
	"verdict": "confirm",
	"rule": "tools.confirm",
	"reason": sprintf("tool %s needs a person's confirmation (rule tools.confirm)", [name]),
} if {
	name := visible.tools[call.tool]
	data.tools[name].confirm == "always"
}

# Visible, and in the data. A rule of its own: were it written after "not", the tool would be looked up first,
# and without one nothing would be denied.
known(call) if data.tools[visible.tools[call.tool]]

# A sensitive tool has its place only where everything is trusted.
in_place(tool) if not tool.sensitive == true

in_place(tool) if {
	tool.sensitive == true
	input.context.integrity == "trusted"
}

# Whoever reads what the tool sends may read everything that the model read, and what the references in the
# arguments stand for.
read_by(tool, _) if not tool.audience

read_by(tool, call) if lib.rank[confidentiality(call)] <= lib.rank[tool.audience]

confidentiality(call) := [level |
	some level in ["secret", "internal", "public"]
	level in ({input.context.confidentiality} | {arg.confidentiality | some arg in call.args})
][0]

# Where a client makes the calls, a tool may need that a model made this one before, and policy released it.
released(tool, _) if not tool.grant

released(_, _) if input.walk == "model"

released(_, call) if call.granted == true

# The arguments come from where they may.
argued(_, call) if call.clean == true

argued(tool, call) if {
	shown(tool, call)
	every arg in call.args {
		fits(arg, origin(tool, arg))
	}
}

# Something shows that the person asked for the call: a read needs nothing, and neither does a tool whose data
# says which arguments matter.
shown(_, call) if call.args != []

shown(tool, _) if tool.effect == "read"

shown(tool, _) if tool.args

# Where the argument may come from: what the data says of its path or of its first name; else anywhere when
# the tool only reads, and from no third party when it changes something.
origin(tool, arg) := tool.args[arg.path] if {
	true
} else := tool.args[arg.name] if {
	true
} else := "any" if {
	tool.effect == "read"
} else := "trusted"

# A reference stands for a whole value; only in a text it may be a piece of one.
fits(_, "text") := true

fits(arg, "any") if whole(arg)

fits(arg, "trusted") if {
	arg.integrity == "trusted"
	whole(arg)
}

fits(arg, "trusted") if {
	arg.person == true
	arg.ref == false
}

whole(arg) if arg.ref == false

whole(arg) if arg.whole == true

# Why the arguments will not do: of the first that does not fit.
objection(tool, call) := [reason |
	some arg in call.args
	word := origin(tool, arg)
	not fits(arg, word)
	reason := unfit(arg)
][0] if {
	shown(tool, call)
} else := concat(" ", [
	"without arguments nothing shows that the person asked for it,",
	"and the conversation holds content of third parties",
])

unfit(arg) := sprintf("argument %s must be trusted or in the person's own words", [arg.path]) if {
	whole(arg)
} else := sprintf("argument %s holds a reference inside of a text", [arg.path])

# What is done about it.
unproven(tool) := "confirm" if {
	tool.confirm in {"tainted", "always"}
} else := "deny"
