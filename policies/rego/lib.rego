# METADATA
# title: What the shipped rules share
# description: >-
#   Reads data.tools, data.teams, data.models, data.features, data.providers and data.fields.
#   Every question is asked positively: what is not found is not granted.
package yellowjack.lib

# METADATA
# title: The tool's name in data.tools, for the name that the client uses
# description: >-
#   Exact names and exact aliases only; a prefix is never guessed. data.derived.aliases
#   is what the engine makes of data.tools.<name>.aliases; it refuses an alias that is
#   ambiguous, so these three never disagree.
canonical(name) := name if {
	data.tools[name]
} else := data.derived.aliases[input.principal.client][name] if {
	true
} else := data.derived.aliases["*"][name]

# METADATA
# title: Whether the tool (by its canonical name) is granted to the principal
granted(tool) if names_principal(data.tools[tool].allow)

granted(tool) if {
	data.tools[tool]
	some team in input.principal.teams
	tool in data.teams[team].tools
}

# METADATA
# title: Whether a list of subjects names the principal
names_principal(allow) if {
	some subject in allow
	subject in input.principal.subjects
}

# METADATA
# title: Whether the principal may use the model
model_granted(model) if {
	some key in model_keys(model)
	names_principal(data.models[key].allow)
}

model_granted(model) if {
	keys := model_keys(model)
	some team in input.principal.teams
	some granted_key in data.teams[team].models
	granted_key in keys
}

# METADATA
# title: The keys of data.models that cover a model
# description: As it was named, provider/name, and every prefix of that ending in /*.
model_keys(model) := keys if {
	full := concat("/", [model.provider, model.name])
	parts := split(full, "/")
	prefixes := [concat("/", array.concat(array.slice(parts, 0, n), ["*"])) |
		some n in numbers.range(1, count(parts) - 1)
	]
	keys := array.concat([model.named, full], prefixes)
}

# METADATA
# title: Whether a feature is granted to the principal
feature_granted(feature) if names_principal(data.features[feature.name].allow)

# METADATA
# title: Whether a request's field that no dialect knows may pass
field_granted(field) if field in data.fields.allow

# METADATA
# title: Whether the caller's own key for a provider may be used
byok_granted(provider) if names_principal(data.providers[provider].byok)

# METADATA
# title: Confidentiality as a number
rank := {"public": 0, "internal": 1, "secret": 2}
