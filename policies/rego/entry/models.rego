# METADATA
# title: Where the engine asks; replace this package in a policy folder to decide otherwise
# schemas:
#   - input: schema.models
package yellowjack.models

import data.yellowjack.shipped

# METADATA
# title: What data.yellowjack.shipped.models answers
allowed := shipped.models.allowed
