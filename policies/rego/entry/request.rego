# METADATA
# title: Where the engine asks; replace this package in a policy folder to decide otherwise
# schemas:
#   - input: schema.request
package yellowjack.request

import data.yellowjack.shipped

# METADATA
# title: What data.yellowjack.shipped.request answers
decision := shipped.request.decision
