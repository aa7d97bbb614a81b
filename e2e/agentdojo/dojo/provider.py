"""A provider that speaks OpenAI Chat, streamed and not, with the scripted models behind it: the agent, and for the
quarantine a planner and one that reads (questions.py). They are told apart by the model's name.

Run as `python -m dojo.provider --port N`. GET /seen says what the agent has read since it was last asked, by the
conversation that the client named in the request's `user`; nothing else is kept.
"""

import argparse
import hashlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agentdojo.attacks.important_instructions_attacks import ImportantInstructionsAttack
from agentdojo.task_suite.load_suites import get_suites

from . import injections, plans, questions  # noqa: F401
from .agent import Turn, decide

VERSION = "v1.2.2"


def tasks_of(suites):
    return {task.PROMPT.strip(): (name, key) for name, suite in suites.items() for key, task in suite.user_tasks.items()}


class Models:
    """The scripted models."""

    def __init__(self):
        suites = get_suites(VERSION)
        injections.learn(suites, ImportantInstructionsAttack._JB_STRING.format(goal="", user="Emma Johnson", model="GPT-4"))
        self.tasks = tasks_of(suites)
        self.lock = threading.Lock()
        self.read = {}  # user → the injections that the agent has read
        self.counts = {}

    def answer(self, request):
        name = request.get("model", "")
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1
        if name.startswith("agent"):
            goal = request.get("user", "").rsplit("/", 1)[-1]
            knows = name == "agent-knowing" and goal.startswith("injection_task_")
            turn = decide(request, self.tasks, forge=name == "agent-forging", knowing=goal if knows else None)
            if turn.read or turn.leaked:
                with self.lock:
                    self.read[request.get("user", "")] = [*turn.read, *([turn.leaked] if turn.leaked else [])]
            return turn
        return Turn([], questions.answer(name, request, self.tasks), [])

    def seen(self):
        with self.lock:
            out = {"read": dict(self.read), "requests": dict(self.counts)}
            self.read.clear()
        return out


def message(turn, stamp):
    calls = [
        {"id": f"call_{stamp}_{i}", "type": "function", "function": {"name": c.name, "arguments": json.dumps(c.args, ensure_ascii=False)}}
        for i, c in enumerate(turn.calls)
    ]
    out = {"role": "assistant", "content": turn.text if not calls else None}
    if calls:
        out["tool_calls"] = calls
    return out, "tool_calls" if calls else "stop"


def pieces(text, stamp):
    """A text in uneven pieces, so that references are split anywhere."""
    at, step = 0, 1 + int(stamp[:2], 16) % 13
    while at < len(text):
        yield text[at : at + step]
        at, step = at + step, 1 + (step * 7 + 3) % 17


def deltas(turn, stamp):
    answer, reason = message(turn, stamp)
    yield {"role": "assistant", "content": ""}, None
    for part in pieces(turn.text if not turn.calls else "", stamp):
        yield {"content": part}, None
    for i, call in enumerate(answer.get("tool_calls", [])):
        yield {"tool_calls": [{"index": i, **call, "function": {"name": call["function"]["name"], "arguments": ""}}]}, None
        for part in pieces(call["function"]["arguments"], stamp):
            yield {"tool_calls": [{"index": i, "function": {"arguments": part}}]}, None
    yield {}, reason


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models = None

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self):  # noqa: N802
        self._whole(200, self.models.seen() if self.path == "/seen" else {"object": "list", "data": []})

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = json.loads(body)
        stamp = hashlib.sha256(body).hexdigest()[:12]
        try:
            turn = self.models.answer(request)
        except questions.Broken as broken:
            self._bytes(broken.status, broken.body, broken.kind)
            return
        head = {"id": f"chatcmpl-{stamp}", "created": int(time.time()), "model": request["model"]}
        usage = {"prompt_tokens": len(body) // 4, "completion_tokens": 10, "total_tokens": len(body) // 4 + 10}
        if not request.get("stream"):
            answer, reason = message(turn, stamp)
            choice = {"index": 0, "message": answer, "finish_reason": reason}
            self._whole(200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = []
        for delta, reason in deltas(turn, stamp):
            chunk = {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            events.append(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        events.append(b"data: [DONE]\n\n")
        for at in range(0, len(events), 8):  # several events a packet, and a reference across packets
            part = b"".join(events[at : at + 8])
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _whole(self, status, document):
        self._bytes(status, json.dumps(document).encode(), "application/json")

    def _bytes(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    Handler.models = Models()
    server = Server(("127.0.0.1", parser.parse_args().port), Handler)
    print("ready", f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
