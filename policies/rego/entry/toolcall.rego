# METADATA
# title: Where the engine asks; replace this package in a policy folder to decide otherwise
# schemas:
#   - input: schema.toolcall
package yellowjack.toolcall

import data.yellowjack.shipped

# METADATA
# title: What data.yellowjack.shipped.toolcall answers
decision := shipped.toolcall.decision
