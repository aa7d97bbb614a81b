# METADATA
# title: What a request may use
# description: >-
#   Refuses a request whose models, features, fields or own key are not granted. Tools that are
#   not visible are hidden; a tool_choice that names one is refused. Tool results pass, are
#   quarantined or dropped as data.tools.<tool>.result says; what is not proven to be of a tool
#   that is trusted, or was untrusted before, is quarantined.
# schemas:
#   - input: schema.request
package yellowjack.shipped.request

import data.yellowjack.lib
import data.yellowjack.models
import data.yellowjack.visible

# METADATA
# title: The decision
# description: >-
#   tools answers offer or hide for every tool asked about, results says pass, quarantine or
#   drop for every tool result by index. Few rules, because each one costs about 3 µs.
decision := {
	"allowed": true,
	"reason": "granted",
	"tools": object.union(
		{name: "hide" | some name in input.names},
		{name: "offer" | some name in input.names; visible.tools[name]},
	),
	"results": [treatment(result) | some result in input.results],
	"byok": input.byok != "",
} if {
	permitted
} else := object.union({"allowed": false, "http_status": 403}, refusal)

# Results of one tool with one label are one item of the input, so a long history costs little.
treatment(result) := {
	"treatment": "pass",
	"rule": "tools.result",
	"reason": "the tool's results are trusted (rule tools.result)",
} if {
	result.attributed == true
	result.verified == true
	result.integrity == "trusted"
	data.tools[lib.canonical(result.tool)].result == "trusted"
} else := {
	"treatment": "drop",
	"rule": "tools.result",
	"reason": "the tool's results are dropped (rule tools.result)",
} if {
	result.attributed == true
	data.tools[lib.canonical(result.tool)].result == "drop"
} else := {
	"treatment": "quarantine",
	"rule": "results.unverified",
	"reason": "it is not known to answer a call that was released here (rule results.unverified)",
} if {
	not result.verified == true
} else := {
	"treatment": "quarantine",
	"rule": "results.label",
	"reason": "its content was untrusted before (rule results.label)",
} if {
	data.tools[lib.canonical(result.tool)].result == "trusted"
} else := {
	"treatment": "quarantine",
	"rule": "tools.result",
	"reason": "the tool's results are not trusted (rule tools.result)",
}

# Everything is asked positively: what is undefined refuses. This is most
# requests, which ask for nothing beside models and tools.
permitted if {
	input.features == []
	input.unknown_fields == []
	input.tool_choice == []
	input.byok == ""
	input.models != []
	models.allowed == [true | some _ in input.models]
}

permitted if {
	input.models != []
	models.allowed == [true | some _ in input.models]
	features_granted
	fields_granted
	byok_granted
	choice_offered
}

features_granted if {
	every feature in input.features {
		lib.feature_granted(feature)
	}
}

fields_granted if {
	every field in input.unknown_fields {
		lib.field_granted(field)
	}
}

byok_granted if input.byok == ""

byok_granted if lib.byok_granted(input.byok)

choice_offered if {
	every name in input.tool_choice {
		visible.tools[name]
	}
}

refusal := {
	"code": "model_denied",
	"rule": "models.allow",
	"reason": sprintf("model %s is not granted to you (rule models.allow)", [model.named]),
} if {
	some i, model in input.models
	not models.allowed[i]
} else := {
	"code": "feature_denied",
	"rule": "features.allow",
	"reason": sprintf("feature %s is not granted to you (rule features.allow)", [feature.name]),
} if {
	some feature in input.features
	not lib.feature_granted(feature)
} else := {
	"code": "unknown_field",
	"rule": "fields.allow",
	"reason": sprintf("field %s is not known and not allowed (rule fields.allow)", [field]),
} if {
	some field in input.unknown_fields
	not lib.field_granted(field)
} else := {
	"code": "byok_denied",
	"rule": "providers.byok",
	"reason": sprintf("your own key for %s is not allowed (rule providers.byok)", [input.byok]),
} if {
	not byok_granted
} else := {
	"code": "tool_choice_denied",
	"rule": "tools.allow",
	"reason": sprintf("tool_choice names tool %s, which is not granted to you (rule tools.allow)", [name]),
} if {
	some name in input.tool_choice
	not visible.tools[name]
}
