package yellowjack.shipped.models_test

import data.yellowjack.models

sara := {"subjects": ["*", "group:finance"], "teams": ["ledger"]}

mini := {"named": "fast", "provider": "openrouter", "name": "openai/gpt-5-mini"}

other := {"named": "mock/small", "provider": "mock", "name": "small"}

allowed(data_models) := answer if {
	answer := models.allowed with input as {"principal": sara, "models": [mini, other]} with data.models as data_models
}

test_without_data_every_model_passes if {
	[true, true] == models.allowed with input as {"principal": sara, "models": [mini, other]}
}

test_with_empty_data_none_passes if allowed({}) == [false, false]

test_by_the_clients_name if allowed({"fast": {"allow": ["*"]}}) == [true, false]

test_by_provider_and_name if allowed({"mock/small": {"allow": ["group:finance"]}}) == [false, true]

test_by_prefix if allowed({"openrouter/openai/*": {"allow": ["*"]}}) == [true, false]

test_by_provider if allowed({"openrouter/*": {"allow": ["*"]}, "mock/*": {"allow": ["*"]}}) == [true, true]

test_a_prefix_ends_at_a_slash if allowed({"open/*": {"allow": ["*"]}, "openrouter/open/*": {"allow": ["*"]}}) == [false, false]

test_for_another_group if allowed({"fast": {"allow": ["group:comms"]}}) == [false, false]

test_by_team if {
	answer := models.allowed with input as {"principal": sara, "models": [mini, other]}
		with data.models as {}
		with data.teams as {"ledger": {"models": ["openrouter/openai/*"]}, "legal": {"models": ["mock/small"]}}
	answer == [true, false]
}
