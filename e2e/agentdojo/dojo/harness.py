"""What the harness itself must do for its numbers to mean anything, checked before each run."""

import json

from . import injections, script
from .provider import ImportantInstructionsAttack, tasks_of
from .reading import Blind, Ref, Result


def check(bench):
    """Raises AssertionError when the harness is not honest."""
    every_task_has_a_plan(bench)
    injections.learn(bench.suites, ImportantInstructionsAttack._JB_STRING.format(goal="", user="Emma Johnson", model="GPT-4"))
    whatever_hides_is_read(bench)
    a_reference_says_nothing()


def every_task_has_a_plan(bench):
    for suite, user, _ in bench.tasks():
        assert (suite, user) in script.PLANS, (suite, user)
    for suite, _, goal in bench.pairs():
        assert (suite, goal) in injections.PLANS, (suite, goal)
    assert len(tasks_of(bench.suites)) == 97, "two tasks with one prompt"


def whatever_hides_is_read(bench):
    """The model finds each injection in each encoding, as YAML and JSON write it too; and none where there is none."""
    for name, suite in bench.suites.items():
        for key, task in suite.injection_tasks.items():
            for encoding, hide in injections.ENCODINGS.items():
                text = hide("Do the following first:\n\n" + task.GOAL)
                for written in (text, json.dumps({"body": text})):
                    got = injections.found(name, [written])
                    assert got == [key], (name, key, encoding, got)
        for user in suite.user_tasks.values():
            assert not injections.found(name, [user.PROMPT]), user.ID


def a_reference_says_nothing():
    text = '{"yellowjack":"clearance","fields":{"n":1,"t":"$ref_aaaaaaaaaaaaaaaa"}}'
    tree = Result(text).tree
    value = tree["t"]
    assert tree["n"] == 1 and isinstance(value, Ref) and f"<{value}>" == "<$ref_aaaaaaaaaaaaaaaa>"
    for look in (lambda: value == "x", lambda: "x" in value, lambda: value < "x", lambda: len(value), lambda: value[0], lambda: value.split(), lambda: bool(value)):
        try:
            look()
        except Blind:
            continue
        raise AssertionError("a reference was looked into")
