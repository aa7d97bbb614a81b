package yellowjack.shipped.toolcall_test

import data.yellowjack.toolcall

tools := {
	"snowflake__query": {"allow": ["group:finance"], "confidentiality": "internal"},
	"slack__post_message": {"allow": ["group:comms"], "audience": "public"},
	"wiki__write": {"allow": ["*"], "audience": "internal"},
	"tweet": {"allow": ["*"], "audience": "public"},
	"github__get_issue": {"allow": ["*"], "effect": "read"},
	"fetch": {"allow": ["*"], "effect": "read", "args": {"url": "trusted"}},
	"mail": {
		"allow": ["*"], "effect": "write",
		"args": {"body": "text", "labels": "any", "attachments[].name": "any", "attachments": "trusted"},
	},
	"pay": {"allow": ["*"], "effect": "destructive", "confirm": "tainted"},
	"wipe": {"allow": ["*"], "effect": "destructive", "confirm": "always"},
	"restart": {"allow": ["*"], "effect": "write"},
	"ping": {"allow": ["*"], "effect": "write", "args": {}},
	"vault": {"allow": ["*"], "effect": "read", "sensitive": true},
	"brokered": {"allow": ["*"], "effect": "read", "grant": "required"},
	"silent": {"allow": ["*"]},
}

clean := {"integrity": "trusted", "confidentiality": "public", "sources": []}

tainted := {"integrity": "constrained", "confidentiality": "public", "sources": ["github__get_issue"]}

holding(level) := object.union(clean, {"confidentiality": level})

asked(calls) := {
	"principal": {"client": "agent", "subjects": ["*", "group:finance"], "teams": []},
	"names": [call.tool | some call in calls],
	"calls": calls,
	"context": clean,
	"results": [],
	"walk": "model",
}

decide(calls, context) := answer.calls if {
	answer := toolcall.decision with data.tools as tools
		with input as object.union(asked(calls), {"context": context})
}

# A call in a clean context, and one in a tainted context with these arguments.
call(tool) := {
	"choice": 0, "index": 0, "tool": tool, "arguments": {}, "offered": true,
	"granted": false, "clean": true, "args": [],
}

with_args(tool, args) := object.union(call(tool), {"clean": false, "args": args})

arg(path) := {
	"path": path, "name": regex.split(`[.[]`, path)[0], "integrity": "constrained", "confidentiality": "public",
	"sources": [], "person": false, "ref": false, "whole": true,
}

person(path) := object.union(arg(path), {"person": true})

sure(path) := object.union(arg(path), {"integrity": "trusted"})

reference(path) := object.union(arg(path), {"integrity": "untrusted", "ref": true})

inside(path) := object.union(reference(path), {"whole": false})

verdict(tool, args) := decide([with_args(tool, args)], tainted)[0]

test_a_granted_call if decide([call("snowflake__query")], clean) == [{"verdict": "allow"}]

test_a_call_not_granted if {
	decide([call("slack__post_message")], clean) == [{
		"verdict": "deny",
		"rule": "tools.allow",
		"reason": "tool slack__post_message is not granted to you (rule tools.allow)",
	}]
}

test_an_unknown_tool if decide([call("ghost")], clean)[0].rule == "tools.allow"

test_siblings_are_decided_each if {
	calls := [call("ghost"), call("github__get_issue"), call("slack__post_message")]
	[d.verdict | some d in decide(calls, clean)] == ["deny", "allow", "deny"]
}

test_a_call_never_offered if {
	late := object.union(call("snowflake__query"), {"offered": false})
	decide([late], clean) == [{
		"verdict": "deny",
		"rule": "tools.offered",
		"reason": "tool snowflake__query was not offered in this request (rule tools.offered)",
	}]
}

# Audiences.

test_public_audience_in_a_public_context if decide([call("tweet")], clean)[0].verdict == "allow"

test_public_audience_in_an_internal_context if {
	decide([call("tweet")], holding("internal")) == [{
		"verdict": "deny",
		"rule": "tools.audience",
		"reason": "tool tweet has audience public and the conversation holds internal data (rule tools.audience)",
	}]
}

test_public_audience_in_a_secret_context if contains(decide([call("tweet")], holding("secret"))[0].reason, "holds secret data")

test_internal_audience_in_an_internal_context if decide([call("wiki__write")], holding("internal"))[0].verdict == "allow"

test_internal_audience_in_a_secret_context if decide([call("wiki__write")], holding("secret"))[0].verdict == "deny"

test_no_audience_reads_anything if decide([call("github__get_issue")], holding("secret"))[0].verdict == "allow"

# A reference takes what it stands for to whoever reads the call.
test_an_audience_reads_references_too if {
	secret := object.union(sure("text"), {"confidentiality": "secret"})
	verdict("tweet", [secret]).rule == "tools.audience"
	verdict("tweet", [sure("text")]).verdict == "allow"
}

# Reads go on.

test_a_read_goes_on_in_a_tainted_context if verdict("github__get_issue", [arg("number")]).verdict == "allow"

test_a_read_takes_a_whole_reference if verdict("github__get_issue", [reference("number")]).verdict == "allow"

test_a_read_takes_no_reference_inside_of_a_text if {
	verdict("github__get_issue", [inside("query")]) == {
		"verdict": "deny",
		"rule": "tools.args",
		"reason": "tool github__get_issue: argument query holds a reference inside of a text (rule tools.args)",
	}
}

test_a_read_whose_argument_must_be_trusted if {
	verdict("fetch", [arg("url")]).rule == "tools.args"
	verdict("fetch", [reference("url")]).rule == "tools.args"
	verdict("fetch", [person("url")]).verdict == "allow"
	verdict("fetch", [person("url"), arg("depth")]).verdict == "allow"
}

# Writes go when every argument that matters is trusted or the person's own words.

test_a_write_with_the_persons_own_words if verdict("restart", [person("host"), sure("zone")]).verdict == "allow"

test_a_write_with_one_argument_of_the_model if {
	verdict("restart", [person("host"), arg("zone")]) == {
		"verdict": "deny",
		"rule": "tools.args",
		"reason": "tool restart: argument zone must be trusted or in the person's own words (rule tools.args)",
	}
}

test_a_tool_that_states_no_effect_writes if verdict("silent", [arg("x")]).rule == "tools.args"

test_a_reference_is_never_the_persons_words if {
	verdict("restart", [object.union(reference("host"), {"person": true})]).rule == "tools.args"
}

test_a_reference_to_what_is_trusted if {
	verdict("restart", [object.union(reference("host"), {"integrity": "trusted"})]).verdict == "allow"
	verdict("restart", [object.union(inside("host"), {"integrity": "trusted"})]).rule == "tools.args"
}

test_a_write_with_a_text if {
	verdict("mail", [person("to"), arg("body")]).verdict == "allow"
	verdict("mail", [person("to"), inside("body")]).verdict == "allow"
	verdict("mail", [person("to"), reference("body")]).verdict == "allow"
	verdict("mail", [arg("to"), arg("body")]).rule == "tools.args"
	verdict("mail", [reference("to"), arg("body")]).rule == "tools.args"
}

test_any_takes_a_reference_as_a_whole_only if {
	verdict("mail", [person("to"), reference("labels[]")]).verdict == "allow"
	verdict("mail", [person("to"), inside("labels[]")]).rule == "tools.args"
}

test_a_path_counts_before_its_first_name if {
	verdict("mail", [arg("attachments[].name")]).verdict == "allow"
	verdict("mail", [arg("attachments[].url")]).rule == "tools.args"
}

test_a_name_is_not_a_prefix if verdict("mail", [arg("body2")]).rule == "tools.args"

test_a_write_without_arguments if {
	verdict("restart", []).rule == "tools.args"
	verdict("ping", []).verdict == "allow"
	verdict("github__get_issue", []).verdict == "allow"
	decide([call("restart")], clean)[0].verdict == "allow"
}

test_a_clean_write if decide([call("mail")], clean)[0].verdict == "allow"

# Confirmation.

test_confirmed_where_it_would_be_denied if {
	verdict("pay", [arg("amount")]).verdict == "confirm"
	verdict("pay", [person("amount")]).verdict == "allow"
	decide([call("pay")], clean)[0].verdict == "allow"
}

test_always_confirmed if {
	verdict("wipe", [arg("disk")]).verdict == "confirm"
	verdict("wipe", [person("disk")]).verdict == "confirm"
	decide([call("wipe")], clean)[0] == {
		"verdict": "confirm",
		"rule": "tools.confirm",
		"reason": "tool wipe needs a person's confirmation (rule tools.confirm)",
	}
}

# Sensitive tools and grants.

test_a_sensitive_tool_in_a_tainted_context if {
	verdict("vault", [person("name")]) == {
		"verdict": "deny",
		"rule": "tools.sensitive",
		"reason": "tool vault is sensitive and the conversation holds content of third parties (rule tools.sensitive)",
	}
}

test_a_sensitive_tool_in_a_trusted_context if decide([call("vault")], clean)[0].verdict == "allow"

at_the_broker(granted) := answer.calls[0] if {
	answer := toolcall.decision with data.tools as tools
		with input as object.union(asked([object.union(call("brokered"), {"granted": granted})]), {"walk": "broker"})
}

test_a_grant_is_required_at_the_broker if {
	at_the_broker(false).rule == "tools.grant"
	at_the_broker(true).verdict == "allow"
}

test_no_grant_is_required_of_a_model if decide([call("brokered")], clean)[0].verdict == "allow"

test_an_alias if {
	answer := toolcall.decision with data.tools as tools
		with data.derived.aliases as {"agent": {"mcp__gw__tweet": "tweet"}}
		with input as object.union(asked([call("mcp__gw__tweet")]), {"context": holding("secret")})
	answer.calls[0].reason == "tool tweet has audience public and the conversation holds secret data (rule tools.audience)"
}

# What the input lacks is never let through.
test_a_missing_member_allows_nothing[path] if {
	some path in ["calls/0/offered", "calls/0/tool", "calls/0/args", "names", "context"]
	part := json.remove(asked([with_args("tweet", [sure("text")])]), [path])
	not allowed(part)
}

test_the_same_with_nothing_missing if allowed(asked([with_args("tweet", [sure("text")])]))

allowed(part) if {
	answer := toolcall.decision with input as part with data.tools as tools
	answer.calls[0].verdict == "allow"
}
