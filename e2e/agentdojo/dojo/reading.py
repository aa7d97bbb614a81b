"""What a model can read of a tool result, and nothing more.

A result comes either as the tool gave it or as a clearance. In both cases a plan (plans/) gets the same Result. Of a
clearance, every reference is a Ref: it can be passed on and put into a text, but looking at it, comparing it, searching
it, or measuring it, raises Blind. That is what keeps the scripted agent honest: it uses a value only if it stands in
what reached the model, or passes on a reference to it.
"""

import ast
import datetime
import json
import re

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NAME = re.compile(r"\$ref_[a-z2-7]{16}")


class Blind(Exception):
    """The plan needs to see what it cannot."""


class Ref(str):
    """A reference: a name that stands for a value which nobody here may see."""

    def _blind(self, *_, **__):
        raise Blind("that is a reference")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __len__ = __iter__ = __getitem__ = _blind
    split = strip = lower = upper = startswith = endswith = find = index = count = replace = splitlines = _blind
    __hash__ = str.__hash__

    def __str__(self):
        return str.__str__(self)


def is_ref(value):
    return isinstance(value, Ref)


def seen(value):
    """The value, if it can be seen."""
    if is_ref(value):
        raise Blind("that is a reference")
    return value


def when(value):
    """A visible point in time."""
    value = seen(value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    return datetime.datetime.fromisoformat(str(value).replace("Z", "")).replace(tzinfo=None)


def number(value):
    return float(seen(value))


class Result:
    """One tool result as the model reads it."""

    def __init__(self, text):
        self.raw = text
        self.answers = []
        self.status = None
        self.clearance = False
        document = _clearance(text)
        if document is None:
            self.text = text
            self.tree = _parse(text)
            return
        self.clearance = True
        self.status = document.get("status")
        self.answers = document.get("answers") or []
        fields = document.get("fields", document.get("content", document.get("result")))
        self.tree = _wrap(fields)
        self.text = self.tree if is_ref(self.tree) or isinstance(self.tree, str) else Ref(document.get("whole", ""))

    def items(self):
        """The result as a list of records."""
        if isinstance(self.tree, list):
            return self.tree
        if isinstance(self.tree, dict):
            return [self.tree]
        raise Blind("that is no list")

    def answer(self, ask):
        """What the clearance answers to a question; Blind when it does not. One that was asked about several texts has several."""
        for a in self.answers:
            if a.get("question") == ask and a.get("answer") not in (None, "unknown"):
                return _wrap(a["answer"])
        raise Blind("nobody answers: " + ask)


def _clearance(text):
    text = text.strip()
    if not text.startswith("{"):
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) and document.get("yellowjack") == "clearance" else None


def _wrap(value):
    if isinstance(value, str):
        return Ref(value) if NAME.fullmatch(value) else value
    if isinstance(value, list):
        return [_wrap(v) for v in value]
    if isinstance(value, dict):
        return {_wrap(k): _wrap(v) for k, v in value.items()}
    return value


def _parse(text):
    """A raw result as AgentDojo formats it: YAML, Python's str(dict), or text."""
    stripped = text.strip()
    try:
        if stripped.startswith("{"):
            return ast.literal_eval(stripped)
        if stripped.startswith(("- ", "[")) or re.match(r"[A-Za-z_]+:\s", stripped) and "\n" in stripped and "Names:" not in stripped:
            return yaml.load(stripped, LOADER)
    except (ValueError, SyntaxError, yaml.YAMLError):
        pass
    return text


def pick(items, test=None, blind=None, **want):
    """The item that is meant: by what can be seen of it, or because there is no other, or by the rule `blind`."""
    fits = []
    for item in items:
        known = {k: item.get(k) for k in want}
        if all(is_ref(v) or str(v).lower() == str(want[k]).lower() for k, v in known.items()) and (test is None or test(item)):
            fits.append(item)
    if not fits:
        raise Blind("no such item")
    if len(fits) > 1 and any(is_ref(item.get(k)) for item in fits for k in want):
        if blind is None:
            raise Blind("which of them cannot be seen")
        fits = [item for item in fits if blind(item)]
        if len(fits) != 1:
            raise Blind("which of them cannot be seen")
    return fits[0]
