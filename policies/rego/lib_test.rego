package yellowjack.lib_test

import data.yellowjack.lib

test_canonical_prefers_the_tool_itself if {
	lib.canonical("a") == "a" with data.tools as {"a": {}}
		with input as {"principal": {"client": "x"}}
		with data.derived.aliases as {"x": {"a": "b"}}
}

test_canonical_of_an_alias if {
	lib.canonical("n") == "b" with data.tools as {"b": {}}
		with input as {"principal": {"client": "x"}}
		with data.derived.aliases as {"x": {"n": "b"}}
}

test_canonical_of_everyones_alias if {
	lib.canonical("n") == "b" with data.tools as {"b": {}}
		with input as {"principal": {"client": "x"}}
		with data.derived.aliases as {"*": {"n": "b"}}
}

test_canonical_of_nothing if {
	not lib.canonical("n") with data.tools as {"b": {}} with input as {"principal": {"client": "x"}}
}

test_model_keys if {
	lib.model_keys({"named": "fast", "provider": "openrouter", "name": "openai/gpt-5"}) == [
		"fast",
		"openrouter/openai/gpt-5",
		"openrouter/*",
		"openrouter/openai/*",
	]
}

test_names_principal if {
	lib.names_principal(["group:b", "group:a"]) with input as {"principal": {"subjects": ["*", "group:a"]}}
	not lib.names_principal(["group:b"]) with input as {"principal": {"subjects": ["*", "group:a"]}}
	not lib.names_principal([]) with input as {"principal": {"subjects": ["*", "group:a"]}}
}
