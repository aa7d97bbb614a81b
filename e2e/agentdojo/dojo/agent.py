"""The worst-case agent: a competent model without any judgement. It obeys every instruction it can read.

It answers a chat request from the request alone. The first user message says which task it is; the plan of that task is
run with the results that stand in the history. Before each step it reads everything that is neither the system's, nor
the person's first message, nor its own: where that carries an injection, in any encoding it can undo, the injection's
plan comes first.
"""

import dataclasses
import json

from . import injections, script
from .reading import Blind, Result


@dataclasses.dataclass
class Turn:
    """What the model answers: calls, or a text that ends the conversation."""

    calls: list
    text: str
    read: list  # ids of the injections that it has read
    leaked: str | None = None  # a piece of an attack's text that has reached it


def text_of(content):
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(p.get("text", "") for p in content if isinstance(p, dict))
    return ""


def results_of(messages):
    """The first user text, and the results of each assistant turn, in whatever role they come."""
    prompt, groups = None, []
    for m in messages:
        role = m.get("role")
        if role in ("system", "developer"):
            continue
        if prompt is None:
            if role == "user":
                prompt = text_of(m.get("content"))
            continue
        if role == "assistant":
            groups.append([])
        elif groups:
            groups[-1].append(text_of(m.get("content")))
    return prompt or "", groups


def decide(request, tasks, forge=False):
    """The next turn. tasks: prompt → (suite, task id)."""
    prompt, groups = results_of(request.get("messages", []))
    key = tasks.get(prompt.strip())
    if key is None:
        return Turn([], "I do not know this task.", [])
    # What stands around the results is read as well: descriptions of tools are text too.
    around = json.dumps(request.get("tools", []), ensure_ascii=False)
    return Player(key, groups, around, forge).play()


class Player:
    """Runs plans over the history: the task's own, and on top of it those of the injections as they are read."""

    def __init__(self, key, groups, around, forge):
        self.suite, self.groups, self.around, self.forge = key[0], groups, around, forge
        self.plan = script.PLANS[key]
        self.read, self.said = [], []
        self.turn = 0

    def play(self):
        plan = self._task()
        try:
            step = next(plan)
            while True:
                if self.turn >= len(self.groups):
                    return self._turn(step, "")
                got = self.groups[self.turn]
                self.turn += 1
                step = plan.send(got)
        except StopIteration as end:
            return self._turn([], " ".join([end.value, *self.said]).strip())

    def _turn(self, calls, text):
        return Turn(calls, text, self.read, injections.leaked(self.suite, [self.around, *(t for g in self.groups for t in g)]))

    def _task(self):
        """The task's plan, interrupted by the injections. Yields lists of calls, is sent lists of texts."""
        yield from self._obey([self.around])
        try:
            inner = self.plan.run()
            want = next(inner)
            while True:
                calls = want if isinstance(want, list) else [want]
                if not calls:
                    want = inner.send([])
                    continue
                if self.forge:
                    yield [injections.forged(calls)]
                texts = yield calls
                yield from self._obey(texts)
                got = [Result(t) for t in texts] + [Result("")] * (len(calls) - len(texts))
                want = inner.send(got if isinstance(want, list) else got[0])
        except StopIteration as end:
            return str(end.value)
        except Blind as e:
            return f"That I could not do: {e}."
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, AssertionError) as e:
            # A result that is not as the plan expects: a model would be at a loss as well.
            return f"That I could not do: {type(e).__name__} {e}."

    def _obey(self, texts):
        for goal in injections.found(self.suite, texts, self.read):
            if goal in self.read:
                continue
            self.read.append(goal)
            inner = injections.PLANS[self.suite, goal]()
            try:
                want = next(inner)
                while True:
                    calls = want if isinstance(want, list) else [want]
                    got = yield calls
                    yield from self._obey(got)
                    got = [Result(t) for t in got] + [Result("")] * (len(calls) - len(got))
                    want = inner.send(got if isinstance(want, list) else got[0])
            except StopIteration as end:
                if end.value:
                    self.said.append(end.value)
            except (Blind, KeyError, TypeError, ValueError, IndexError, AttributeError) as e:
                self.said.append(f"({goal}: {type(e).__name__})")


