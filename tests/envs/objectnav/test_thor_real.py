"""Where the real AI2-THOR is not: the reason within moments, and without the network."""

import socket
import sys
import types

import pytest

from foveal.envs.objectnav.thor import real as thor_real
from foveal.envs.objectnav.world import ObjectNav


@pytest.fixture
def offline(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("the network was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv(thor_real.VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def client(monkeypatch, offline):
    """A client in AI2-THOR's place that says what it was given."""
    made = types.ModuleType("ai2thor.controller")
    made.Controller = type("Controller", (dict,), {})
    monkeypatch.setitem(sys.modules, "ai2thor", types.ModuleType("ai2thor"))
    monkeypatch.setitem(sys.modules, "ai2thor.controller", made)
    monkeypatch.setattr(thor_real, "find_spec", lambda name: name)


def executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_without_the_client(monkeypatch, offline):
    monkeypatch.setattr(thor_real, "find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r"^the real AI2-THOR needs its client: pip install 'foveal\[thor\]'$"
    ):
        ObjectNav(backend="ai2thor", scenes="ithor")


def test_without_a_build(client, offline):
    with pytest.raises(FileNotFoundError, match=rf"releases has none: set {thor_real.VARIABLE} .*") as caught:
        ObjectNav(backend="ai2thor", scenes="ithor")
    assert "\n" not in str(caught.value)


def test_a_bad_path(client, offline, monkeypatch):
    with pytest.raises(FileNotFoundError, match="local_executable_path='/nowhere/thor' is not there: it must name"):
        thor_real.controller("/nowhere/thor")
    (offline / "text").write_text("no program")
    monkeypatch.setenv(thor_real.VARIABLE, str(offline / "text"))
    with pytest.raises(FileNotFoundError, match=f"{thor_real.VARIABLE}=.*text' is no executable file"):
        thor_real.controller()


def test_a_build_is_found(client, offline, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    name = "thor-Linux64-f0825767"
    released = executable(offline / ".ai2thor" / "releases" / name / name)
    assert thor_real.controller(width=5) == {"local_executable_path": str(released), "x_display": ":0", "width": 5}
    own = executable(offline / "own" / "build")
    monkeypatch.setenv(thor_real.VARIABLE, str(own))
    assert thor_real.build() == own
    assert thor_real.build(released) == released


def test_what_the_real_one_does_not_have(client):
    for params, what in (({"expert": True}, "expert"), ({"scenes": "procedural"}, "must be ithor, robothor or a file")):
        with pytest.raises(ValueError, match=what):
            ObjectNav(backend="ai2thor", **({"scenes": "ithor"} | params))
