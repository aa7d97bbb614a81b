# METADATA
# title: Which models a principal may use
# schemas:
#   - input: schema.models
package yellowjack.shipped.models

import data.yellowjack.lib

# METADATA
# title: One boolean for each of input.models
allowed := [granted(model) | some model in input.models]

granted(model) if {
	lib.model_granted(model)
} else := false
