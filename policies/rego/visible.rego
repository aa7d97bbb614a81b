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
tools[name] := tool if {
	some name in input.names
	tool := lib.canonical(name)
	lib.granted(tool)
}
