"""The real openai SDK against the gateway: an application that changes its base URL and nothing else.

Run by sdk_test.go, which gives the URL and the tokens by environment variables. Each check is a function; the script
says which one failed and exits with 1.
"""

import asyncio
import json
import os
import sys
import traceback

import openai
from openai import AsyncOpenAI, OpenAI

BASE = os.environ["YJ_URL"] + "/v1"
SARA, MONA, EXPIRED = os.environ["YJ_SARA"], os.environ["YJ_MONA"], os.environ["YJ_EXPIRED"]
MODEL = "mock/small"


def function(name):
    return {"type": "function", "function": {"name": name, "description": name, "parameters": {"type": "object", "properties": {}}}}


TOOLS = [function("snowflake__query"), function("slack__post_message"), function("github__get_label")]


def client(token=SARA, **more):
    return OpenAI(base_url=BASE, api_key=token, max_retries=0, timeout=30, **more)


def say(text):
    return [{"role": "user", "content": text}]


def fails(kind, call, code, status=None):
    """The call raises this kind of error, with our code and a text for people."""
    try:
        call()
    except kind as e:
        assert e.code == code, (e.code, e.body)
        assert status is None or e.status_code == status, e.status_code
        assert e.message and e.type, (e.message, e.type)
        return e
    raise AssertionError(f"no {kind.__name__}")


def check_create():
    c = client().chat.completions.create(model=MODEL, messages=say("say Hello there."))
    assert c.choices[0].message.content == "Hello there." and c.choices[0].finish_reason == "stop", c
    assert c.usage.prompt_tokens > 0 and c.model == "small", c


def check_tools_are_hidden():
    c = client().chat.completions.create(model=MODEL, messages=say("What do you see?"), tools=TOOLS)
    assert c.choices[0].message.content == "The tools that I see: snowflake__query, github__get_label.", c


def check_call():
    c = client().chat.completions.create(model=MODEL, messages=say('call snowflake__query {"sql":"select 1"}'), tools=TOOLS)
    (call,) = c.choices[0].message.tool_calls
    assert call.function.name == "snowflake__query" and json.loads(call.function.arguments) == {"sql": "select 1"}, call
    assert c.choices[0].finish_reason == "tool_calls", c


def check_agent_loop():
    """A call, its result, and the answer to it: the history with tool blocks goes through."""
    messages = say('call snowflake__query {"sql":"select 1"}')
    first = client().chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message
    messages += [first.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "42 rows"}]
    second = client().chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message
    assert second.content == "The tool answered: 42 rows", second


def check_refused_call():
    text = 'call slack__post_message {"text":"x"}\ncall snowflake__query {"sql":"y"}'
    c = client().chat.completions.create(model=MODEL, messages=say(text), tools=TOOLS)
    (call,) = c.choices[0].message.tool_calls
    assert call.function.name == "snowflake__query", c
    assert "slack__post_message" in c.choices[0].message.content, c


def put(stream):
    """A stream as applications put it together."""
    text, calls, reason, usage = "", {}, None, None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for t in choice.delta.tool_calls or []:
                call = calls.setdefault(t.index, ["", ""])
                call[0] += t.function.name or ""
                call[1] += t.function.arguments or ""
            reason = choice.finish_reason or reason
    return text, list(calls.values()), reason, usage


def check_stream():
    text = 'say One two.\ncall snowflake__query {"sql":"select 1"}\nfragment 3'
    stream = client().chat.completions.create(model=MODEL, messages=say(text), tools=TOOLS, stream=True, stream_options={"include_usage": True})
    text, calls, reason, usage = put(stream)
    assert text == "One two." and calls == [["snowflake__query", '{"sql":"select 1"}']] and reason == "tool_calls", (text, calls, reason)
    assert usage and usage.prompt_tokens > 0, usage


def check_stream_refused_call():
    text = 'say One.\ncall slack__post_message {"text":"x"}\nfragment 2\ncall snowflake__query {"sql":"y"}'
    text, calls, reason, _ = put(client().chat.completions.create(model=MODEL, messages=say(text), tools=TOOLS, stream=True))
    assert calls == [["snowflake__query", '{"sql":"y"}']] and reason == "tool_calls", (calls, reason)
    assert text.startswith("One.") and "slack__post_message" in text, text
    text, calls, reason, _ = put(client().chat.completions.create(model=MODEL, messages=say('call slack__post_message {"text":"x"}'), tools=TOOLS, stream=True))
    assert calls == [] and reason == "stop" and "slack__post_message" in text, (text, calls, reason)


def check_stream_helper():
    """The SDK's own accumulator, which is stricter than an application."""
    text = 'say Hi.\ncall slack__post_message {"text":"x"}\ncall snowflake__query {"sql":"select 1"}\nfragment 4'
    with client().chat.completions.stream(model=MODEL, messages=say(text), tools=TOOLS) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert call.function.name == "snowflake__query" and call.function.arguments == '{"sql":"select 1"}', final
    assert final.choices[0].finish_reason == "tool_calls", final


def check_n():
    text = 'call@0 slack__post_message {}\ncall@1 snowflake__query {"sql":"x"}'
    c = client().chat.completions.create(model=MODEL, messages=say(text), tools=TOOLS, n=2)
    assert [x.finish_reason for x in c.choices] == ["stop", "tool_calls"], c
    assert not c.choices[0].message.tool_calls and c.choices[1].message.tool_calls, c


def check_errors():
    ask = lambda who, **more: lambda: who.chat.completions.create(**({"model": MODEL, "messages": say("hi")} | more))
    for stream in (False, True):
        e = fails(openai.AuthenticationError, ask(client(EXPIRED), stream=stream), "expired_token", 401)
        assert e.response.headers["x-yellowjack-decision-id"] == e.body["decision_id"], e.body
        fails(openai.AuthenticationError, ask(client("nonsense"), stream=stream), "bad_credential", 401)
        fails(openai.PermissionDeniedError, ask(client(), model="strict/large", stream=stream), "model_denied", 403)
        choice = {"type": "function", "function": {"name": "slack__post_message"}}
        fails(openai.PermissionDeniedError, ask(client(), tools=TOOLS, tool_choice=choice, stream=stream), "tool_choice_denied", 403)
        fails(openai.NotFoundError, ask(client(), model="nothing", stream=stream), "model_unknown", 404)
        fails(openai.PermissionDeniedError, ask(client(), extra_body={"plugins": [{"id": "web"}]}, stream=stream), "feature_denied", 403)
        fails(openai.InternalServerError, ask(client(), messages=say("redirect http://127.0.0.1:1/"), stream=stream), "upstream_invalid", 502)


def check_provider_errors():
    """The provider's own error, with its retry header, as if there were no gateway."""
    try:
        client().chat.completions.create(model=MODEL, messages=say("status 429 retry-after 7 slow down"))
        raise AssertionError("no error")
    except openai.RateLimitError as e:
        assert e.response.headers["retry-after"] == "7" and "slow down" in str(e.body), e.body


def check_error_in_stream():
    text = ""
    try:
        for chunk in client().chat.completions.create(model=MODEL, messages=say("say One.\nerror 502 Overloaded"), stream=True):
            text += chunk.choices[0].delta.content or ""
    except openai.APIError as e:
        assert "Overloaded" in str(e), e
        assert text == "One.", text
        return
    raise AssertionError("the error in mid-stream was not raised")


def check_refusal_in_stream():
    """Our own refusal of a stream that has begun."""
    text = ""
    try:
        for chunk in client().chat.completions.create(model=MODEL, messages=say("say One.\ncall snowflake__query {}\ntruncate call"), tools=TOOLS, stream=True):
            text += chunk.choices[0].delta.content or ""
    except openai.APIError as e:
        assert e.code == "upstream_invalid", (e.code, e)
        return
    raise AssertionError("a stream that was cut off ended well: " + text)


def check_held_call():
    """The client's read timeout is shorter than the call is held: comments keep it quiet."""
    text = 'say One.\ncall snowflake__query {"sql":"x"}\nhold 6s'
    c = OpenAI(base_url=BASE, api_key=SARA, max_retries=0, timeout=openai.Timeout(4.5))
    text, calls, _, _ = put(c.chat.completions.create(model=MODEL, messages=say(text), tools=TOOLS, stream=True))
    assert text == "One." and calls == [["snowflake__query", '{"sql":"x"}']], (text, calls)


def check_other_header():
    """A credential in x-api-key, as other SDKs send it, and the same one in two places."""
    c = OpenAI(base_url=BASE, api_key=SARA, max_retries=0, default_headers={"x-api-key": SARA})
    assert c.chat.completions.create(model=MODEL, messages=say("say Hi.")).choices[0].message.content == "Hi."
    fails(openai.BadRequestError, lambda: c.chat.completions.create(model=MODEL, messages=say("hi"), extra_headers={"x-api-key": MONA}), "conflicting_credentials", 400)


def check_raw_response():
    r = client().chat.completions.with_raw_response.create(model=MODEL, messages=say("say Hi."))
    assert r.headers["x-yellowjack-decision-id"], r.headers
    assert r.parse().choices[0].message.content == "Hi."


def check_embeddings():
    """Vectors, as numbers and as the base64 that the SDK asks for by itself; the policy of models holds."""
    make = lambda **more: client().embeddings.create(**({"model": MODEL, "input": ["one", "two"]} | more))
    packed, plain = make(), make(encoding_format="float", input="two")
    same = lambda a, b: all(abs(x - y) < 1e-5 for x, y in zip(a.embedding, b.embedding, strict=True))
    assert same(packed.data[1], plain.data[0]) and not same(*packed.data), (packed, plain)
    assert abs(sum(x * x for x in plain.data[0].embedding) - 1) < 1e-5 and plain.usage.prompt_tokens > 0 and plain.model == "small", plain
    assert len(make(dimensions=3).data[1].embedding) == 3
    fails(openai.PermissionDeniedError, lambda: make(model="strict/large"), "model_denied", 403)
    fails(openai.AuthenticationError, lambda: client(EXPIRED).embeddings.create(model=MODEL, input="x"), "expired_token", 401)
    fails(openai.NotFoundError, lambda: make(model="nothing"), "model_unknown", 404)


def check_models():
    names = {m.id for m in client().models.list()}
    assert {"fast", "mock/small", "strict/small"} <= names and "strict/large" not in names, names


def check_retry():
    """The SDK retries what it retries by itself; the gateway adds none."""
    c = OpenAI(base_url=BASE, api_key=SARA, max_retries=1, timeout=30)
    try:
        c.chat.completions.create(model=MODEL, messages=say("status 503 marked-retry"))
        raise AssertionError("no error")
    except openai.InternalServerError as e:
        assert e.status_code == 503, e


def check_async():
    async def go():
        async with AsyncOpenAI(base_url=BASE, api_key=MONA, max_retries=0) as c:
            one, stream = await asyncio.gather(
                c.chat.completions.create(model=MODEL, messages=say('call slack__post_message {"text":"hi"}'), tools=TOOLS),
                c.chat.completions.create(model=MODEL, messages=say('say Hi.\ncall snowflake__query {"sql":"x"}'), tools=TOOLS, stream=True),
            )
            assert one.choices[0].message.tool_calls[0].function.name == "slack__post_message", one
            text = ""
            async for chunk in stream:
                for choice in chunk.choices:
                    assert not choice.delta.tool_calls, chunk
                    text += choice.delta.content or ""
            assert text.startswith("Hi.") and "snowflake__query" in text, text

    asyncio.run(go())


def main():
    checks = [(name, f) for name, f in globals().items() if name.startswith("check_")]
    failed = 0
    for name, f in checks:
        try:
            f()
            print("ok", name)
        except Exception:  # whatever it is, the next check still runs
            failed += 1
            print("FAILED", name)
            traceback.print_exc(file=sys.stdout)
    print(len(checks), "checks with openai", openai.__version__, "on Python", sys.version.split()[0])
    sys.exit(1 if failed else 0)


main()
