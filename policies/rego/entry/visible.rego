# METADATA
# title: Where the engine asks; replace this package in a policy folder to decide otherwise
# schemas:
#   - input: schema.visible
package yellowjack.visible

import data.yellowjack.shipped

# METADATA
# title: What data.yellowjack.shipped.visible answers
tools := shipped.visible.tools
