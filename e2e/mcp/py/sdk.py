"""The official Python SDK against the broker, in both eras, before the real server-everything and a fixture of each era.

Run by mcp_sdk_test.go, which gives the URL and the token by environment variables. Each check is a function; the script says
which one failed and exits with 1.
"""

import os
import re
import sys
import traceback

import anyio
import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

URL = os.environ["YJ_URL"] + "/mcp"
HEADERS = {"authorization": "Bearer " + os.environ["YJ_TOKEN"]}


class Person:
    """Who sits before the client, and what the client was told."""

    def __init__(self):
        self.heard = []

    async def elicit(self, context, params):
        return types.ElicitResult(action="accept", content={"name": "Ann", "username": "ann", "email": "a@example.com", "color": "blue"})

    async def sample(self, context, params):
        return types.CreateMessageResult(role="assistant", model="m", content=types.TextContent(type="text", text="Paris, of course"))

    async def roots(self, context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])

    async def hear(self, message):
        if not isinstance(message, Exception):
            self.heard.append(message)

    async def told(self, what, is_it):
        with anyio.fail_after(20):
            while not any(is_it(m) for m in self.heard):
                await anyio.sleep(0.02)


def text(result):
    return "\n".join(c.text for c in result.content if c.type == "text")


async def lists(c, person):
    names = [t.name for t in (await c.list_tools()).tools]
    for name in ("everything__echo", "everything__trigger-elicitation-request", "both__test_simple_text", "sessions__test_simple_text"):
        assert name in names, f"{name} is not among {names}"
    prompts = [p.name for p in (await c.list_prompts()).prompts]
    assert "everything__args-prompt" in prompts and "both__test_simple_prompt" in prompts, prompts
    uris = [str(r.uri) for r in (await c.list_resources()).resources]
    assert "both+test://static-text" in uris, uris
    assert (await c.list_resource_templates()).resource_templates


async def calls(c, person):
    assert text(await c.call_tool("everything__echo", {"message": "hello"})) == "Echo: hello"
    assert "42" in text(await c.call_tool("everything__get-sum", {"a": 2, "b": 40}))
    weather = await c.call_tool("everything__get-structured-content", {"location": "Chicago"})
    assert isinstance(weather.structured_content["temperature"], (int, float)), weather
    assert (await c.call_tool("both__test_error_handling")).is_error
    try:
        await c.call_tool("everything__no-such-tool")
    except MCPError as e:
        assert "Unknown tool" in str(e), e
    else:
        raise AssertionError("a tool that there is not is called")


async def reads(c, person):
    r = await c.read_resource("both+test://template/7/data")
    assert str(r.contents[0].uri) == "both+test://template/7/data" and '"id":"7"' in r.contents[0].text, r
    p = await c.get_prompt("everything__args-prompt", {"city": "Bern"})
    assert "Bern" in str(p.messages), p
    done = await c.complete(
        types.PromptReference(type="ref/prompt", name="both__test_prompt_with_arguments"), {"name": "arg1", "value": "par"}
    )
    assert done.completion.values == ["paris", "park", "party"], done


async def progress(c, person):
    seen = []

    async def note(done, total, message):
        seen.append(done)

    r = await c.call_tool("everything__trigger-long-running-operation", {"duration": 0.4, "steps": 4}, progress_callback=note)
    assert "completed" in text(r), r
    assert seen == [1, 2, 3, 4], seen


async def cancels(c, person):
    for server in ("both", "sessions"):
        with anyio.move_on_after(30) as scope:

            async def enough(done, total, message):
                scope.cancel()

            await c.call_tool(server + "__test_waits", progress_callback=enough)
        assert scope.cancelled_caught, "it was not cancelled"
    assert text(await c.call_tool("everything__echo", {"message": "after"})) == "Echo: after"


async def elicits(c, person):
    assert "Name: Ann" in text(await c.call_tool("everything__trigger-elicitation-request"))
    for server in ("both", "sessions"):
        got = text(await c.call_tool(server + "__test_elicitation", {"message": "who?"}))
        assert re.search("accept.*ann", got), got
    assert text(await c.call_tool("both__test_input_required_result_multi_round")) == "Ann likes blue"


async def samples(c, person):
    got = text(await c.call_tool("everything__trigger-sampling-request", {"prompt": "capital of France?"}))
    assert "Paris, of course" in got, got
    for server in ("both", "sessions"):
        assert text(await c.call_tool(server + "__test_sampling", {"prompt": "capital?"})) == "LLM response: Paris, of course"
        assert "file:///work" in text(await c.call_tool(server + "__test_input_required_result_list_roots"))


async def changes(c, person):
    for server in ("both", "sessions"):
        uri = server + "+test://watched-resource"

        async def poke():
            while True:
                await anyio.sleep(0.5)
                await c.call_tool(server + "__test_trigger_tool_change")
                await c.call_tool(server + "__test_update")

        def tools(m):
            return type(m).__name__ in ("ToolListChangedNotification", "ToolsListChanged")

        def update(m):
            return str(getattr(getattr(m, "params", m), "uri", "")) == uri

        person.heard.clear()
        async with anyio.create_task_group() as group:
            if c.protocol_version == "2026-07-28":
                async with c.listen(tools_list_changed=True, resource_subscriptions=[uri]) as sub:
                    group.start_soon(poke)
                    seen = []
                    with anyio.fail_after(20):
                        async for event in sub:
                            seen.append(event)
                            if any(map(tools, seen)) and any(map(update, seen)):
                                break
            else:
                await c.subscribe_resource(uri)
                group.start_soon(poke)
                await person.told("the tools", tools)
                await person.told("the resource", update)
                await c.unsubscribe_resource(uri)
            group.cancel_scope.cancel()


CHECKS = (lists, calls, reads, progress, cancels, elicits, samples, changes)
MODES = {"2025-11-25": "legacy", "2026-07-28": "auto"}


async def main():
    failed = 0
    for version, mode in MODES.items():
        person = Person()
        async with create_mcp_http_client(headers=HEADERS) as http:
            client = Client(
                streamable_http_client(URL, http_client=http), mode=mode, elicitation_callback=person.elicit,
                sampling_callback=person.sample, list_roots_callback=person.roots, message_handler=person.hear,
            )
            async with client as c:
                assert c.protocol_version == version, c.protocol_version
                for check in CHECKS:
                    try:
                        await check(c, person)
                    except Exception:
                        failed += 1
                        print(f"{version}: {check.__name__}: {traceback.format_exc()}", file=sys.stderr)
    print(f"python: {len(CHECKS) * len(MODES)} checks in {len(MODES)} ways, {failed} failed")
    sys.exit(1 if failed else 0)


anyio.run(main)
