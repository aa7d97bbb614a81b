# METADATA
# title: Which tools a principal may see
# description: >-
#   Over identity and data, without arguments. A tool that is not visible is not offered,
#   and every call to it is denied, whatever other policies say.
# schemas:
#   - input: schema.visible
package yellowjack.shipped.visible

import data.yellowjack.lib

# METADATA
# title: Canonical names of the visible tools, by the name the client uses
# description: >-
#   Each rule runs once for all names, so that a decision about fifty tools is one
#   loop and not fifty function calls.
tools[name] := name if {
	some name in input.names
	some subject in data.tools[name].allow
	subject in input.principal.subjects
}

# A team's tools. A tool must be in data.tools all the same: the rest is read there.
tools[name] := name if {
	some team in input.principal.teams
	of_team := data.teams[team].tools
	some name in input.names
	name in of_team
	data.tools[name]
}

# The same for a client that has other names for its tools.
tools[name] := tool if {
	aliases := data.derived.aliases
	some client in [input.principal.client, "*"]
	some name in input.names
	tool := aliases[client][name]
	lib.granted(tool)
}
