# METADATA
# title: Which models a principal may use
# schemas:
#   - input: schema.models
package yellowjack.shipped.models

import data.yellowjack.lib

# METADATA
# title: One boolean for each of input.models
# description: Where data.models is absent every model passes, and a credential gates it.
allowed := [true | some _ in input.models] if {
	not data.models
} else := [granted(model) | some model in input.models]

granted(model) if {
	lib.model_granted(model)
} else := false
