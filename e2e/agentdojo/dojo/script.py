"""How a plan is written: a generator that yields the calls of one assistant turn and is sent their results.

A plan is what a competent model would do with a task, step by step. It is run anew for every request, fed with the
results that stand in the history, so the model keeps no state.
"""

import dataclasses
import re

from .reading import Blind

PLANS = {}  # (suite, task id) → Plan
QUESTIONS = {}  # the text of a question → Question


@dataclasses.dataclass
class Call:
    name: str
    args: dict


def call(name, **args):
    return Call(name, {k: v for k, v in args.items() if v is not None})


@dataclasses.dataclass
class Question:
    """A typed question about a result, and how someone who may read the result answers it."""

    ask: str
    type: str  # yesno choice int date count span
    read: object  # content → the answer, or None
    options: tuple = ()
    min: int | None = None
    max: int | None = None
    pattern: str | None = None
    each: str | None = None  # it is asked about each text of this field, by its reference, and not about the whole result

    def __post_init__(self):
        QUESTIONS[self.ask] = self

    def of(self, result):
        """The answer: read from the result itself, or what the clearance says."""
        if not result.clearance:
            value = self.read(result.raw)
            if value is None:
                raise Blind("it does not say: " + self.ask)
            return value
        value = result.answer(self.ask)
        if self.type in ("int", "count"):
            return int(value)
        return value


@dataclasses.dataclass
class Plan:
    suite: str
    task: str
    run: object
    asks: dict  # tool → questions that the planner has about its results


def plan(suite, task, **asks):
    def register(run):
        key = suite, f"user_task_{task}"
        PLANS[key] = Plan(suite, key[1], run, asks)
        return run

    return register


def both(suite, task, first, second, numbered=True):
    """A task made of two: what fails in the first does not keep the second from being tried."""
    one, two = PLANS[suite, f"user_task_{first}"], PLANS[suite, f"user_task_{second}"]

    def run():
        texts = []
        for part in one, two:
            try:
                texts.append((yield from part.run()))
            except Blind as e:
                texts.append(f"That I could not do: {e}.")
        return f"1. {texts[0]} 2. {texts[1]}" if numbered else " ".join(texts)

    asks = {tool: [*one.asks.get(tool, []), *two.asks.get(tool, [])] for tool in {**one.asks, **two.asks}}
    PLANS[suite, f"user_task_{task}"] = Plan(suite, f"user_task_{task}", run, asks)


def found(pattern, convert=lambda m: m.group(1), flags=re.S):
    """A reader that finds a pattern."""
    return lambda content: (lambda m: convert(m) if m else None)(re.search(pattern, content, flags))
