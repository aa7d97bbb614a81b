package yellowjack.shipped.visible_test

import data.yellowjack.visible

sara := {"client": "agent", "subjects": ["*", "group:finance", "user:sara@example.com"], "teams": ["ledger"]}

tools := {
	"snowflake__query": {"allow": ["group:finance"]},
	"slack__post_message": {"allow": ["group:comms"]},
	"github__get_issue": {"allow": ["*"]},
	"jira__search": {"effect": "read"},
}

seen(names) := found if {
	found := visible.tools with input as {"principal": sara, "names": names} with data.tools as tools
}

test_sara_sees_snowflake_not_slack if {
	seen(["snowflake__query", "slack__post_message"]) == {"snowflake__query": "snowflake__query"}
}

test_a_star_is_everyone if seen(["github__get_issue"]) == {"github__get_issue": "github__get_issue"}

test_unknown_tools_are_not_visible if seen(["nope", ""]) == {}

test_a_tool_without_allow_is_nobodys if seen(["jira__search"]) == {}

test_a_prefix_is_not_a_name if seen(["snowflake__query2", "github__get", "mcp__gw__github__get_issue"]) == {}

test_a_team_grants if {
	found := visible.tools with input as {"principal": sara, "names": ["jira__search"]}
		with data.tools as tools
		with data.teams as {"ledger": {"tools": ["jira__search"]}}
	found == {"jira__search": "jira__search"}
}

test_another_team_does_not if {
	found := visible.tools with input as {"principal": sara, "names": ["jira__search"]}
		with data.tools as tools
		with data.teams as {"legal": {"tools": ["jira__search"]}}
	found == {}
}

test_a_team_cannot_grant_what_is_no_tool if {
	found := visible.tools with input as {"principal": sara, "names": ["ghost"]}
		with data.tools as tools
		with data.teams as {"ledger": {"tools": ["ghost"]}}
	found == {}
}

aliases := {
	"agent": {"mcp__gw__query": "snowflake__query", "mcp__gw__post": "slack__post_message", "find": "jira__search"},
	"*": {"issue": "github__get_issue"},
	"other": {"q": "snowflake__query"},
}

test_an_alias_leads_to_its_tool if {
	found := visible.tools with input as {"principal": sara, "names": ["mcp__gw__query", "mcp__gw__post", "issue", "q"]}
		with data.tools as tools
		with data.derived.aliases as aliases
	found == {"mcp__gw__query": "snowflake__query", "issue": "github__get_issue"}
}

test_an_alias_of_a_teams_tool if {
	found := visible.tools with input as {"principal": sara, "names": ["find"]}
		with data.tools as tools
		with data.teams as {"ledger": {"tools": ["jira__search"]}}
		with data.derived.aliases as aliases
	found == {"find": "jira__search"}
}
