"""Runs AgentDojo's pairs with the real openai SDK, as an application would: it knows a base URL and a key, and no more."""

import dataclasses
import json
import re
import time

import openai
import yaml
from agentdojo.agent_pipeline.base_pipeline_element import BasePipelineElement
from agentdojo.agent_pipeline.basic_elements import InitQuery, SystemMessage
from agentdojo.agent_pipeline.agent_pipeline import AgentPipeline, load_system_message
from agentdojo.agent_pipeline.llms.openai_llm import _function_to_openai, _message_to_openai
from agentdojo.agent_pipeline.tool_execution import ToolsExecutionLoop, ToolsExecutor
from agentdojo.attacks.attack_registry import load_attack
from agentdojo.functions_runtime import EmptyEnv, FunctionCall
from agentdojo.logging import NullLogger
from agentdojo.task_suite import task_suite as suite_module
from agentdojo.task_suite.load_suites import get_suites
from agentdojo.types import ChatAssistantMessage, text_content_block_from_string

from .injections import ENCODINGS, QUOTE
from .provider import VERSION
from .reading import LOADER

# AgentDojo reads its environments with PyYAML's slow loader; the fast one reads the same.
suite_module.yaml = type("yaml", (), {"load": staticmethod(yaml.load), "dump": staticmethod(yaml.dump), "safe_load": staticmethod(lambda t: yaml.load(t, LOADER))})

# A reference, but for the one that the attacks write into their content.
UNRESOLVED = re.compile(r"\$ref_(?!a{16})[a-z2-7]")
ROUNDS = 30  # turns of one conversation


@dataclasses.dataclass
class Way:
    """How the conversation is led."""

    stream: bool = False
    results: str = "tool"  # tool | user: as user turns beside the calls | bare: as user turns, and the calls left out
    encoding: str = "plain"
    model: str = "agent"

    @property
    def name(self):
        parts = [self.encoding if self.encoding != "plain" else "", "streamed" if self.stream else "", "" if self.results == "tool" else f"results-as-{self.results}"]
        parts.append("" if self.model in ("agent", "mock/agent") else self.model.rsplit("/", 1)[-1])
        return "+".join(p for p in parts if p) or "plain"


class Model(BasePipelineElement):
    """The model, behind the SDK."""

    def __init__(self, client, way, user):
        self.client, self.way, self.user = client, way, user
        self.error, self.requests, self.seconds = None, 0, 0.0
        self.released = 0  # calls that still have a reference in them: nobody outside may get one

    def query(self, query, runtime, env=EmptyEnv(), messages=(), extra_args=None):
        sent = self._messages(messages)
        tools = [_function_to_openai(f) for f in runtime.functions.values()]
        began = time.monotonic()
        try:
            content, calls = self._ask(sent, tools)
        except openai.APIStatusError as e:
            self.error = f"{e.status_code} {getattr(e, 'code', None)} {e.message}"[:300]
            content, calls = f"Error {e.status_code}.", []
        except openai.APIError as e:
            self.error = f"{type(e).__name__} {e.message}"[:300]
            content, calls = "Error.", []
        self.requests += 1
        self.seconds += time.monotonic() - began
        self.released += sum(bool(UNRESOLVED.search(args or "")) for _, _, args in calls)
        got = [FunctionCall(function=name, args=json.loads(args or "{}"), id=id_) for id_, name, args in calls]
        answer = ChatAssistantMessage(
            role="assistant", content=[text_content_block_from_string(content)] if content is not None else None, tool_calls=got or None
        )
        if not got and content is None:
            answer["content"] = [text_content_block_from_string("")]
        return query, runtime, env, [*messages, answer], extra_args or {}

    def _messages(self, messages):
        out = []
        for m in messages:
            if m["role"] == "tool" and self.way.results != "tool":
                text = m["error"] or "".join(p["content"] for p in m["content"])
                out.append({"role": "user", "content": text})
                continue
            sent = _message_to_openai(m, self.way.model)
            if m["role"] == "assistant" and self.way.results == "bare" and sent.pop("tool_calls", None):
                sent["content"] = "I have looked it up."
            out.append(sent)
        return out

    def _ask(self, messages, tools):
        ask = {"model": self.way.model, "messages": messages, "tools": tools, "user": self.user}
        if not self.way.stream:
            message = self.client.chat.completions.create(**ask).choices[0].message
            return message.content, [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or []]
        text, calls = None, {}
        for chunk in self.client.chat.completions.create(stream=True, **ask):
            for choice in chunk.choices:
                if choice.delta.content is not None:
                    text = (text or "") + choice.delta.content
                for c in choice.delta.tool_calls or []:
                    call = calls.setdefault(c.index, ["", "", ""])
                    call[0] = c.id or call[0]
                    if c.function:
                        call[1] += c.function.name or ""
                        call[2] += c.function.arguments or ""
        return text or None, [tuple(calls[i]) for i in sorted(calls)]


def pipeline(client, way, user):
    model = Model(client, way, user)
    loop = ToolsExecutionLoop([ToolsExecutor(), model], max_iters=ROUNDS)
    line = AgentPipeline([SystemMessage(load_system_message(None)), InitQuery(), model, loop])
    line.name = "gpt-4o-2024-05-13"  # whom the attack addresses
    return line, model


def environment(suite, injected):
    """The environment with the injections in it, quotation marks as well."""
    env = suite.load_and_inject_default_environment(injected)
    if not any(QUOTE in v for v in injected.values()):
        return env
    return type(env).model_validate_json(env.model_dump_json().replace(QUOTE, '\\"'))


class Bench:
    """The suites, and the attacks on them."""

    def __init__(self):
        self.suites = get_suites(VERSION)
        self.attacks = {}

    def pairs(self, suite=None):
        return [
            (name, user, injection)
            for name, s in self.suites.items()
            if suite in (None, name)
            for user in s.user_tasks
            for injection in s.injection_tasks
        ]

    def tasks(self, suite=None):
        return [(name, user, None) for name, s in self.suites.items() if suite in (None, name) for user in s.user_tasks]

    def run(self, client, way, pair):
        """One pair, or one task without an attack."""
        name, user, injection = pair
        suite = self.suites[name]
        task = suite.user_tasks[user]
        goal = suite.injection_tasks[injection] if injection else None
        label = "/".join(p for p in (way.name, name, user, injection) if p)
        line, model = pipeline(client, way, label)
        injected = {}
        if goal is not None:
            if name not in self.attacks:
                self.attacks[name] = load_attack("important_instructions", suite, line)
            plain = self.attacks[name].attack(task, goal)
            injected = {k: ENCODINGS[way.encoding](v) for k, v in plain.items()}
        began = time.monotonic()
        with NullLogger():
            utility, security = suite.run_task_with_pipeline(line, task, goal, injected, environment=environment(suite, injected))
        return {
            "suite": name,
            "user_task": user,
            "injection_task": injection,
            "way": way.name,
            "utility": bool(utility),
            "attacked": bool(security) if goal is not None else None,
            "released": model.released,
            "error": model.error,
            "requests": model.requests,
            "model_s": round(model.seconds, 3),
            "wall_s": round(time.monotonic() - began, 3),
        }


def client(base, key):
    return openai.OpenAI(base_url=base, api_key=key, max_retries=0, timeout=120)
