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
    """The first user text, and for each assistant turn its calls, as (name, arguments), and the results, in whatever role they come."""
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
            made = [c.get("function", {}) for c in m.get("tool_calls") or []]
            groups.append(([(f.get("name"), f.get("arguments")) for f in made], []))
        elif groups:
            groups[-1][1].append(text_of(m.get("content")))
    return prompt or "", groups


def aligned(calls, made, texts):
    """The results of the calls that the plan wanted, in their order; a call that was refused has an empty one."""
    if len(made) == len(calls) or len(made) != len(texts):
        return texts + [""] * (len(calls) - len(texts))
    left = list(zip(made, texts))
    out = []
    for c in calls:
        at = next((i for i, ((name, args), _) in enumerate(left) if name == c.name and same(args, c.args)), None)
        out.append(left.pop(at)[1] if at is not None else "")
    return out


def same(written, args):
    try:
        return json.loads(written) == json.loads(json.dumps(args))
    except (TypeError, ValueError):
        return False


def decide(request, tasks, forge=False, knowing=None):
    """The next turn. tasks: prompt → (suite, task id).

    forge: it tries references that nobody issued. knowing: an injection that it carries out though it never read it, to
    show what is left when the model itself is the attacker.
    """
    prompt, groups = results_of(request.get("messages", []))
    key = tasks.get(prompt.strip())
    if key is None:
        return Turn([], "I do not know this task.", [])
    # What stands around the results is read as well: descriptions of tools are text too.
    around = json.dumps(request.get("tools", []), ensure_ascii=False)
    return Player(key, groups, around, forge, knowing).play()


class Player:
    """Runs plans over the history: the task's own, and on top of it those of the injections as they are read."""

    def __init__(self, key, groups, around, forge, knowing):
        self.suite, self.groups, self.around, self.forge, self.knowing = key[0], groups, around, forge, knowing
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
                made, texts = self.groups[self.turn]
                self.turn += 1
                step = plan.send(aligned(step, made, texts))
        except StopIteration as end:
            return self._turn([], " ".join([end.value, *self.said]).strip())

    def _turn(self, calls, text):
        return Turn(calls, text, self.read, injections.leaked(self.suite, [self.around, *(t for _, g in self.groups for t in g)]))

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
                if self.knowing:
                    goal, self.knowing = self.knowing, None
                    yield from self._carry_out(goal)
                got = [Result(t) for t in texts]
                want = inner.send(got if isinstance(want, list) else got[0])
        except StopIteration as end:
            return str(end.value)
        except Blind as e:
            return f"That I could not do: {e}."
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as e:
            # A result that is not as the plan expects: a model would be at a loss as well.
            return f"That I could not do: {type(e).__name__} {e}."

    def _obey(self, texts):
        for goal in injections.found(self.suite, texts, self.read):
            if goal not in self.read:
                self.read.append(goal)
                yield from self._carry_out(goal)

    def _carry_out(self, goal):
        inner = injections.PLANS[self.suite, goal]()
        try:
            want = next(inner)
            while True:
                calls = want if isinstance(want, list) else [want]
                got = yield calls
                yield from self._obey(got)
                got = [Result(t) for t in got]
                want = inner.send(got if isinstance(want, list) else got[0])
        except StopIteration as end:
            if end.value:
                self.said.append(end.value)
        except (Blind, KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as e:
            self.said.append(f"({goal}: {type(e).__name__})")
