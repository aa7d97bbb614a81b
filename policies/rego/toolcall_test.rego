package yellowjack.shipped.toolcall_test

import data.yellowjack.toolcall

tools := {
	"snowflake__query": {"allow": ["group:finance"], "confidentiality": "internal"},
	"vault__read": {"allow": ["*"], "confidentiality": "secret"},
	"slack__post_message": {"allow": ["group:comms"], "audience": "public"},
	"wiki__write": {"allow": ["*"], "audience": "internal"},
	"tweet": {"allow": ["*"], "audience": "public"},
	"github__get_issue": {"allow": ["*"]},
}

decide(calls, results) := answer.calls if {
	answer := toolcall.decision with data.tools as tools with input as {
		"principal": {"client": "agent", "subjects": ["*", "group:finance"], "teams": []},
		"names": [call.tool | some call in calls],
		"calls": calls,
		"results": results,
	}
}

call(tool) := {"choice": 0, "index": 0, "tool": tool, "arguments": {}, "offered": true}

result(tool) := {"tool": tool, "id": "1", "attributed": true, "bytes": 1}

test_a_granted_call if decide([call("snowflake__query")], []) == [{"verdict": "allow"}]

test_a_call_not_granted if {
	decide([call("slack__post_message")], []) == [{
		"verdict": "deny",
		"rule": "tools.allow",
		"reason": "tool slack__post_message is not granted to you (rule tools.allow)",
	}]
}

test_an_unknown_tool if decide([call("ghost")], [])[0].rule == "tools.allow"

test_siblings_are_decided_each if {
	verdicts := [d.verdict | some d in decide([call("ghost"), call("github__get_issue"), call("slack__post_message")], [])]
	verdicts == ["deny", "allow", "deny"]
}

test_a_call_never_offered if {
	late := object.union(call("snowflake__query"), {"offered": false})
	decide([late], []) == [{
		"verdict": "deny",
		"rule": "tools.offered",
		"reason": "tool snowflake__query was not offered in this request (rule tools.offered)",
	}]
}

test_public_audience_in_a_public_context if decide([call("tweet")], [result("github__get_issue")])[0].verdict == "allow"

test_public_audience_in_an_empty_context if decide([call("tweet")], [])[0].verdict == "allow"

test_public_audience_in_an_internal_context if {
	decide([call("tweet")], [result("github__get_issue"), result("snowflake__query")]) == [{
		"verdict": "deny",
		"rule": "tools.audience",
		"reason": "tool tweet has audience public and the conversation holds internal data (rule tools.audience)",
	}]
}

test_public_audience_in_a_secret_context if {
	contains(decide([call("tweet")], [result("snowflake__query"), result("vault__read")])[0].reason, "holds secret data")
}

test_internal_audience_in_an_internal_context if decide([call("wiki__write")], [result("snowflake__query")])[0].verdict == "allow"

test_internal_audience_in_a_secret_context if decide([call("wiki__write")], [result("vault__read")])[0].verdict == "deny"

test_a_result_of_an_unknown_tool_is_secret if decide([call("wiki__write")], [result("ghost")])[0].verdict == "deny"

test_a_result_without_its_call_is_secret if {
	stray := object.union(result("github__get_issue"), {"attributed": false})
	decide([call("wiki__write")], [stray])[0].verdict == "deny"
}

test_no_audience_reads_anything if decide([call("github__get_issue")], [result("vault__read")])[0].verdict == "allow"

test_an_alias if {
	answer := toolcall.decision with data.tools as tools
		with data.derived.aliases as {"agent": {"mcp__gw__tweet": "tweet", "v": "vault__read"}}
		with input as {
			"principal": {"client": "agent", "subjects": ["*"], "teams": []},
			"names": ["mcp__gw__tweet"],
			"calls": [call("mcp__gw__tweet")],
			"results": [result("v")],
		}
	answer.calls[0].reason == "tool tweet has audience public and the conversation holds secret data (rule tools.audience)"
}
