"""Compiled kernels: the one Numba decorator, its on-disk cache, and row-parallel launches.

A *row kernel* has the signature ``(start, stop, *arrays)`` and touches only the rows in ``[start, stop)``.
`launch` runs it in one call, or split over threads: the same machine code either way, so a row's result cannot
depend on the thread count. Numba's own parallel back ends are not used: a child forked after an OpenMP launch
dies, and two Python threads inside a ``workqueue`` launch abort the process. Kernels release the GIL instead.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import tempfile
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba
import numpy as np

# Loops over many arrays become vector code only if LLVM may check at run time that those do not overlap; its default
# allows 8 comparisons, and a loop over a vehicle's features needs more.
llvm.set_option("", "-runtime-memory-check-threshold=128")

_KERNEL_PACKAGES = ("foveal", "foveal.envs", "foveal.optics", "foveal.vision")


_F = TypeVar("_F", bound=Callable[..., Any])


def kernel(function: _F) -> _F:
    """Compile `function` to machine code on its first call; IEEE arithmetic (never fastmath), GIL released.

    The result is cached on disk and callable from other kernels and from Python. A kernel works on the arrays it is
    given and makes none: Numba's reference counting is off in it, which took a quarter of the time.
    """
    return _compiled(function, inline=False)


def inlined(function: _F) -> _F:
    """A `kernel` that becomes part of its callers.

    For small ones in hot loops, where handing over arrays (some 40 ns) costs more than the work itself.
    """
    return _compiled(function, inline=True)


def _compiled(function: _F, inline: bool) -> _F:
    njit: Any = numba.njit  # its type stub does not know all options
    config: Any = numba.config
    theirs = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder() or theirs)  # read once, while decorating
    try:
        compiled: _F = njit(
            function,
            nogil=True,
            error_model="numpy",
            fastmath=False,
            forceinline=inline,
            cache=cache_folder() is not None,
            _nrt=False,
        )
        return compiled
    finally:
        config.CACHE_DIR = theirs


@cache
def cache_folder() -> Path | None:
    """The folder of compiled kernels, or None (with one warning) where nothing can be written.

    Its name holds a hash of every kernel source, of Numba's version and of the processor: Numba's own check sees
    only the file of the outermost function and would run stale code after a change in a callee's module. Constants
    that kernels read must stand in a file with a kernel, or they are not seen either.
    ``FOVEAL_CACHE_DIR`` moves it; the default is ``$XDG_CACHE_HOME/foveal`` or ``~/.cache/foveal``.
    """
    name = f"kernels-{source_hash()[:16]}"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    preferred = os.environ.get("FOVEAL_CACHE_DIR") or os.path.join(home, "foveal")
    bases = [preferred]
    try:
        user = os.getuid() if hasattr(os, "getuid") else "user"
        bases.append(os.path.join(tempfile.gettempdir(), f"foveal-{user}"))
    except FileNotFoundError:  # there is no writable temporary folder
        pass
    for base in bases:
        folder = Path(base) / name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=folder):
                if _owned_by_us(folder):
                    return folder
        except OSError:
            continue
    warnings.warn(
        f"foveal: cannot write to {' or '.join(bases)}; kernels are compiled anew in every process "
        "(set FOVEAL_CACHE_DIR to a writable folder)",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def _owned_by_us(folder: Path) -> bool:
    """Whether nobody else can put code into the folder or swap it (the temporary directory is shared)."""
    owners = {path.lstat().st_uid for path in (folder, folder.parent)}
    return not hasattr(os, "getuid") or owners == {os.getuid()}


def source_hash() -> str:
    """Hash of all files that hold kernels, Numba's and NumPy's versions, and the processor's features."""
    digest = hashlib.sha256()
    target = numba.core.codegen.get_host_cpu_features() if hasattr(numba.core, "codegen") else ""
    for text in (numba.__version__, np.__version__, platform.python_version(), platform.machine(), str(target)):
        digest.update(text.encode())
    for path in _kernel_sources():
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _kernel_sources() -> list[Path]:
    folders: set[Path] = set()
    for package in _KERNEL_PACKAGES:
        spec = find_spec(package)
        folders.update(Path(folder) for folder in (spec and spec.submodule_search_locations) or ())
    files = {file.resolve() for folder in folders for file in folder.rglob("*.py")}
    own = Path(__file__).resolve()  # it holds the compiler's options, which Numba's own check ignores
    # A kernel depends on the order of a named tuple's fields, which Numba ignores too.
    marked = re.compile(rb"^@(kernel|inlined)$|^class .*\(NamedTuple\):$", re.MULTILINE)
    return sorted(file for file in files if file == own or marked.search(file.read_bytes()))


# --- Row-parallel launches ---------------------------------------------------------------------------------------

_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()


def thread_count() -> int:
    """Threads a launch may use: ``FOVEAL_THREADS``, or the processors this process may run on."""
    configured = os.environ.get("FOVEAL_THREADS", "")
    if configured:
        if not configured.isdecimal() or int(configured) < 1:
            raise ValueError(f"FOVEAL_THREADS={configured!r}: must be a whole number of at least 1")
        return int(configured)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


LIGHT = 512
"""Grain of a kernel of some 0.1 us a row: what it costs to hand work to a thread pays only from there on."""


def launch(row_kernel: Callable[..., None], rows: int, *args: Any, grain: int = 8) -> None:
    """Run ``row_kernel(start, stop, *args)`` over ``rows`` rows, split over threads where that pays.

    Args:
        row_kernel: A compiled row kernel that touches only its own rows.
        rows: How many rows there are.
        *args: Passed on as they are.
        grain: The fewest rows worth a thread of their own; below two such pieces the launch is serial.
    """
    pieces = rows // grain
    threads = min(thread_count(), pieces) if pieces > 1 else 1  # asking costs some 1 us
    if threads <= 1:
        row_kernel(0, rows, *args)
        return
    bounds = [rows * piece // threads for piece in range(threads + 1)]
    futures: list[Future[None]] = [
        _workers().submit(row_kernel, bounds[piece], bounds[piece + 1], *args) for piece in range(1, threads)
    ]
    row_kernel(0, bounds[1], *args)
    for future in futures:
        future.result()


def _workers() -> ThreadPoolExecutor:
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="foveal-kernel")
        return _pool


def _forget_workers() -> None:
    """A forked child has none of its parent's threads: let it make its own."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)
