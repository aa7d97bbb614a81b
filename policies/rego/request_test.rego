package yellowjack.shipped.request_test

import data.yellowjack.request

plain := {
	"principal": {"client": "agent", "subjects": ["*", "group:finance"], "teams": []},
	"models": [{"named": "mock/small", "provider": "mock", "name": "small"}],
	"features": [],
	"unknown_fields": [],
	"byok": "",
	"tool_choice": [],
	"names": [],
	"results": [],
}

tools := {
	"snowflake__query": {"allow": ["group:finance"], "result": "trusted"},
	"slack__post_message": {"allow": ["group:comms"]},
	"github__get_issue": {"allow": ["*"], "result": "untrusted"},
	"noise": {"allow": ["*"], "result": "drop"},
}

decide(more) := answer if {
	answer := request.decision with input as object.union(plain, more) with data.tools as tools
}

test_nothing_asked if decide({}) == {"allowed": true, "reason": "granted", "tools": {}, "results": [], "byok": false}

test_tools_are_offered_or_hidden if {
	decide({"names": ["snowflake__query", "slack__post_message", "ghost"]}).tools == {
		"snowflake__query": "offer",
		"slack__post_message": "hide",
		"ghost": "hide",
	}
}

known(tool) := {
	"tool": tool, "attributed": true, "verified": true,
	"integrity": "trusted", "confidentiality": "public", "sources": [],
}

treatments(results) := [result.treatment | some result in decide({"results": results}).results]

test_results_by_their_tool if {
	treatments([
		known("snowflake__query"),
		known("github__get_issue"),
		known("noise"),
		known("slack__post_message"),
		known("ghost"),
	]) == ["pass", "quarantine", "drop", "quarantine", "quarantine"]
}

test_a_result_not_proven_is_of_no_tool if {
	without_proof := object.union(known("snowflake__query"), {"verified": false})
	decide({"results": [without_proof]}).results == [{
		"treatment": "quarantine",
		"rule": "results.unverified",
		"reason": "it is not known to answer a call that was released here (rule results.unverified)",
	}]
}

test_a_result_without_its_call if {
	treatments([
		object.union(known("snowflake__query"), {"attributed": false}),
		object.union(known(""), {"attributed": false, "verified": false}),
		object.union(known("noise"), {"attributed": false}),
	]) == ["quarantine", "quarantine", "quarantine"]
}

test_what_is_dropped_needs_no_proof if {
	treatments([object.union(known("noise"), {"verified": false})]) == ["drop"]
}

test_content_that_was_untrusted_stays_so[integrity] if {
	some integrity in ["untrusted", "constrained", ""]
	before := object.union(known("snowflake__query"), {"integrity": integrity})
	decide({"results": [before]}).results[0].treatment == "quarantine"
	decide({"results": [before]}).results[0].rule == "results.label"
}

# What the input lacks makes nothing pass.
test_a_result_that_lacks_a_member[name] if {
	some name in ["attributed", "verified", "integrity", "tool"]
	treatments([object.remove(known("snowflake__query"), [name])]) == ["quarantine"]
}

test_a_result_under_an_alias if {
	answer := request.decision with input as object.union(plain, {"results": [known("q")]})
		with data.tools as tools
		with data.derived.aliases as {"agent": {"q": "snowflake__query"}}
	answer.results[0].treatment == "pass"
}

test_a_model_not_granted if {
	answer := request.decision with input as plain with data.models as {"mock/small": {"allow": ["group:comms"]}}
	answer.allowed == false
	answer.http_status == 403
	answer.code == "model_denied"
	answer.reason == "model mock/small is not granted to you (rule models.allow)"
}

test_every_model_named_must_be_granted if {
	two := {"models": [
		{"named": "a", "provider": "p", "name": "a"},
		{"named": "b", "provider": "p", "name": "b"},
	]}
	answer := request.decision with input as object.union(plain, two) with data.models as {"a": {"allow": ["*"]}}
	answer.reason == "model b is not granted to you (rule models.allow)"
}

test_a_feature_not_granted if {
	answer := decide({"features": [{"name": "plugins:web", "value": ""}]})
	answer.allowed == false
	answer.code == "feature_denied"
	answer.reason == "feature plugins:web is not granted to you (rule features.allow)"
}

test_a_feature_granted if {
	answer := request.decision with input as object.union(plain, {"features": [{"name": ":online", "value": ""}]})
		with data.features as {":online": {"allow": ["group:finance"]}}
	answer.allowed == true
}

test_one_feature_of_two_granted if {
	two := {"features": [{"name": ":online", "value": ""}, {"name": "web_search_options", "value": ""}]}
	answer := request.decision with input as object.union(plain, two)
		with data.features as {":online": {"allow": ["*"]}}
	answer.rule == "features.allow"
	contains(answer.reason, "web_search_options")
}

test_an_unknown_field if {
	answer := decide({"unknown_fields": ["surprise"]})
	answer.code == "unknown_field"
	answer.reason == "field surprise is not known and not allowed (rule fields.allow)"
}

test_an_unknown_field_allowed_by_name if {
	answer := request.decision with input as object.union(plain, {"unknown_fields": ["surprise"]})
		with data.fields as {"allow": ["surprise"]}
	answer.allowed == true
}

test_one_unknown_field_of_two_allowed if {
	answer := request.decision with input as object.union(plain, {"unknown_fields": ["surprise", "other"]})
		with data.fields as {"allow": ["surprise"]}
	answer.allowed == false
	contains(answer.reason, "other")
}

test_own_key_not_allowed if {
	answer := decide({"byok": "openrouter"})
	answer.code == "byok_denied"
	answer.reason == "your own key for openrouter is not allowed (rule providers.byok)"
}

test_own_key_allowed if {
	answer := request.decision with input as object.union(plain, {"byok": "openrouter"})
		with data.providers as {"openrouter": {"byok": ["group:finance"]}}
	answer.allowed == true
	answer.byok == true
}

test_own_key_for_another_provider if {
	answer := request.decision with input as object.union(plain, {"byok": "anthropic"})
		with data.providers as {"openrouter": {"byok": ["group:finance"]}}
	answer.allowed == false
}

test_tool_choice_names_a_hidden_tool if {
	answer := decide({"names": ["slack__post_message"], "tool_choice": ["slack__post_message"]})
	answer.code == "tool_choice_denied"
	answer.reason == "tool_choice names tool slack__post_message, which is not granted to you (rule tools.allow)"
}

test_tool_choice_names_a_visible_tool if {
	decide({"names": ["snowflake__query"], "tool_choice": ["snowflake__query"]}).allowed == true
}

# An input that lacks what the rules ask for is never let through.
test_a_missing_member_refuses[name] if {
	some name in ["models", "features", "unknown_fields", "byok", "tool_choice"]
	part := object.remove(plain, [name])
	not permitted(part)
}

permitted(part) if {
	answer := request.decision with input as part with data.tools as tools
	answer.allowed
}
