"""The real SDKs of Anthropic and of OpenAI (chat completions and Responses) for models whose providers speak another dialect: the same
checks as in dialects.py, with the same guard, and each answer translated behind it.

Run by sdk_test.go. The script says which check failed and exits with 1.
"""

import json
import sys

import dialects
import openai
from dialects import OBJECT, TOOLS, URL, Messages, Responses, Said


class Chat:
    """OpenAI's chat completions."""

    error = openai.APIStatusError

    def __init__(self, token, timeout=30):
        self.client = openai.OpenAI(base_url=URL + "/v1", api_key=token, max_retries=0, timeout=timeout)

    def ask(self, history, tools=True, stream=False):
        args = dict(model=self.model, messages=history)
        if tools:
            args["tools"] = [{"type": "function", "function": {"name": n, "description": n, "parameters": OBJECT}} for n in TOOLS]
        if stream:
            with self.client.chat.completions.stream(**args) as s:
                for _ in s:
                    pass
                (c,) = s.get_final_completion().choices
        else:
            (c,) = self.client.chat.completions.create(**args).choices
        m = c.message
        calls = [(t.id, t.function.name, json.loads(t.function.arguments)) for t in m.tool_calls or []]
        turn = m.model_dump(exclude_none=True, exclude={"parsed": True, "tool_calls": {"__all__": {"index": True, "function": {"parsed_arguments"}}}})
        return Said(m.content or "", calls, c.finish_reason, turn)

    def person(self, text):
        return {"role": "user", "content": text}

    def result(self, call, text):
        return {"role": "tool", "tool_call_id": call[0], "content": text}

    def failed(self, e):
        return e.status_code, e.code

    called, ended = "tool_calls", "stop"
    refusals = {}


# What a provider's body calls an error; AWS has that in a header.
BUSY = {"mock": None, "claude": "rate_limit_error", "google": "RESOURCE_EXHAUSTED", "bedrock": None}


def at(dialect, provider):
    """A dialect's client, for a provider of another."""
    busy = BUSY[provider] if dialect is not Messages else None
    return type(f"{dialect.__name__} at {provider}", (dialect,), {"model": provider + "/small", "busy": busy})


if __name__ == "__main__":
    sys.exit(dialects.main((
        at(Chat, "claude"), at(Chat, "google"), at(Chat, "bedrock"),
        at(Messages, "mock"), at(Messages, "google"), at(Messages, "bedrock"),
        at(Responses, "mock"), at(Responses, "claude"),
    )))
