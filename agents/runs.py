"""Runs: a training run is a folder of plain files, which survive a kill and a full disk.

Arrays are safetensors, everything else is JSON and CSV; nothing is pickled. Files from outside are data:
their sizes, versions, hashes, names, shapes and dtypes are checked before anything is used.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray

from foveal.agents.config import PPOConfig
from foveal.agents.evaluation import provenance
from foveal.agents.files import RunError, reason, writing
from foveal.envs.params import did_you_mean
from foveal.files import replace_file

FORMAT = 1
"""Version of the files in a run folder; newer ones are refused."""

KEEP = 3
"""Checkpoints that stay: the last so many, and the best."""

Arrays = dict[str, NDArray[Any]]
_NAME = re.compile(r"step-\d{9}")
_LIMITS = {".json": 2**20, ".safetensors": 2**31}  # bytes


class Checkpoint(NamedTuple):
    """A checkpoint whose hashes matched.

    Attributes:
        path: Of the safetensors file.
        arrays: What the learner saved, by name.
        facts: What the JSON file beside it says: ``step``, ``score``, ``seconds``.
    """

    path: Path
    arrays: Arrays
    facts: dict[str, Any]


class Run:
    """A run folder: ``config.json``, ``manifest.json``, ``checkpoints/``, ``metrics.csv`` and ``curve.png``.

    Args:
        path: The folder.

    Raises:
        RunError: where it holds no run (it names the nearest that does), or one that a newer version wrote.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.checkpoints = Path(path), Path(path) / "checkpoints"
        if not (self.path / "config.json").is_file():
            folder = self.path.parent
            others = [p.name for p in folder.iterdir() if (p / "config.json").is_file()] if folder.is_dir() else []
            raise RunError(f"no run in {self.path}{did_you_mean(self.path.name, others) if others else ''}")
        self.header = _read_json(self.path / "config.json")

    @classmethod
    def create(cls, path: str | Path, config: PPOConfig) -> Run:
        """Make the folder and write ``config.json``, once.

        Raises:
            RunError: where a run is there already, or where the folder cannot be written.
        """
        path = Path(path)
        if (path / "config.json").exists():
            raise RunError(f"{path} holds a run already; resume it, or choose another folder")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        header = {"learner": "ppo", "config": dataclasses.asdict(config), "created": now, **provenance()}
        with writing(path):
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
            _write_json(path / "manifest.json", {"best": None, "checkpoints": {}})
            _write_json(path / "config.json", header)
        return cls(path)

    @property
    def config(self) -> PPOConfig:
        """The learner's configuration.

        Raises:
            RunError: for an unknown key (it names the nearest), or a value of the wrong type or out of range.
        """
        if self.header.get("learner") != "ppo":
            raise RunError(f"{self.path}: unknown learner {self.header.get('learner')!r}; valid: 'ppo'")
        try:
            return PPOConfig.from_dict(self.header.get("config"))
        except (TypeError, ValueError) as error:
            raise RunError(f"{self.path / 'config.json'}: {error}") from None

    def save(self, step: int, arrays: Arrays, facts: Mapping[str, Any], score: float | None) -> Path:
        """Write a checkpoint, then drop what is neither the best nor among the last `KEEP`.

        Args:
            step: Environment steps so far.
            arrays: What the learner needs to go on.
            facts: What else the JSON file beside it is to say.
            score: What "best" goes by, higher is better; None where nothing was measured.

        Returns:
            Path of the safetensors file.

        Raises:
            RunError: where it cannot be written; the checkpoints that were there stay.
        """
        name = f"step-{step:09d}"
        path = self.checkpoints / f"{name}.safetensors"
        tensors = safetensors.numpy.save({key: np.asarray(array, order="C") for key, array in arrays.items()})
        with writing(path):
            replace_file(path, tensors)
            described = _write_json(path.with_suffix(".json"), {"step": step, "score": score, **facts})
            manifest = self._manifest()
            entries = manifest["checkpoints"]
            entries[name] = {"safetensors": _sha256(tensors), "json": _sha256(described), "score": score}
            scored = [(entry["score"], n) for n, entry in entries.items() if entry.get("score") is not None]
            manifest["best"] = max(scored)[1] if scored else None
            dropped = set(entries) - {*sorted(entries)[-KEEP:], manifest["best"]}
            manifest["checkpoints"] = {n: entry for n, entry in entries.items() if n not in dropped}
            _write_json(self.path / "manifest.json", manifest)  # from here on the new one counts, the old do not
            for old in dropped:
                for suffix in _LIMITS:
                    (self.checkpoints / f"{old}{suffix}").unlink(missing_ok=True)
        return path

    def load(self, name: str | None = None) -> Checkpoint:
        """Read a checkpoint: ``"step-…"``, ``"best"``, or by default the latest that is sound.

        By default a torn or foreign one is passed over with a `RuntimeWarning`.

        Raises:
            RunError: where none is sound, or where the one that was named is not.
        """
        manifest = self._manifest()
        if name is not None:
            try:
                return self._read(str(manifest["best"] if name == "best" else name), manifest)
            except (OSError, ValueError) as error:
                raise RunError(f"checkpoint {self.checkpoints / name}: {reason(error)}") from None
        found = {path.stem for path in self.checkpoints.glob("step-*.safetensors")} | set(manifest["checkpoints"])
        for candidate in sorted(found, reverse=True):
            try:
                return self._read(candidate, manifest)
            except (OSError, ValueError) as error:
                told = f"checkpoint {self.checkpoints / candidate} is passed over: {reason(error)}"
                warnings.warn(told, RuntimeWarning, stacklevel=2)
        raise RunError(f"{self.path}: no sound checkpoint among {len(found)}")

    def rewind(self, step: int) -> None:
        """Forget the checkpoints after `step`; they are about to be made anew."""
        manifest = self._manifest()
        kept = {n: e for n, e in manifest["checkpoints"].items() if n <= f"step-{step:09d}"}
        best = manifest["best"] if manifest["best"] in kept else None
        with writing(self.path):
            _write_json(self.path / "manifest.json", {"best": best, "checkpoints": kept})

    def last_good(self) -> str:
        """Words that say which checkpoint one could go on from."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return f"the last good checkpoint is {self.load().path}"
        except RunError:
            return "no checkpoint is left"

    def _read(self, name: str, manifest: dict[str, Any]) -> Checkpoint:
        entry = manifest["checkpoints"].get(name)
        if not _NAME.fullmatch(name) or not isinstance(entry, dict):
            raise ValueError("not in the manifest")
        path = self.checkpoints / f"{name}.safetensors"
        tensors, described = _read(path), _read(path.with_suffix(".json"))
        if _sha256(tensors) != entry.get("safetensors") or _sha256(described) != entry.get("json"):
            raise ValueError("its hash is not the manifest's: torn or altered")
        try:
            arrays = safetensors.numpy.load(tensors)
        except Exception as error:  # SafetensorError has no narrower base
            raise ValueError(f"no safetensors file: {error}") from None
        return Checkpoint(path, arrays, _parsed(described, path.with_suffix(".json")))

    def _manifest(self) -> dict[str, Any]:
        manifest = _read_json(self.path / "manifest.json")
        if not isinstance(manifest.get("checkpoints"), dict):
            raise RunError(f"{self.path / 'manifest.json'} lists no checkpoints")
        return {"best": None, **manifest}


def check_arrays(given: Arrays, expected: Arrays, what: str) -> None:
    """Refuse arrays whose names, shapes or dtypes are not the expected ones, and floats that are not finite.

    Raises:
        RunError: naming the first array that is wrong.
    """
    for name in sorted(given.keys() | expected.keys()):
        if name not in given or name not in expected:
            raise RunError(f"{what}: array {name!r} is {'missing' if name in expected else 'foreign'}")
        ours, theirs = expected[name], given[name]
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            form = f"{theirs.dtype} {theirs.shape}, expected {ours.dtype} {ours.shape}"
            raise RunError(f"{what}: array {name!r} is {form}")
        if np.issubdtype(ours.dtype, np.floating) and not np.isfinite(theirs).all():
            raise RunError(f"{what}: array {name!r} is not finite")


def load_weights(policy: torch.nn.Module, arrays: Arrays, what: str) -> None:
    """Copy the arrays named ``policy/…`` into a policy.

    Raises:
        RunError: where names, shapes or dtypes differ, or a weight is not finite.
    """
    ours = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
    given = {name: array for name, array in arrays.items() if name.startswith("policy/")}
    check_arrays(given, {name: tensor.numpy() for name, tensor in ours.items()}, what)
    with torch.no_grad():
        for name, tensor in ours.items():
            tensor.copy_(torch.from_numpy(given[name].copy()))


def _write_json(path: Path, content: Mapping[str, Any]) -> bytes:
    data = (json.dumps({"format": FORMAT, **content}, indent=2, allow_nan=False) + "\n").encode()
    replace_file(path, data)
    return data


def _read(path: Path) -> bytes:
    size, limit = path.stat().st_size, _LIMITS[path.suffix]
    if size > limit:
        raise ValueError(f"{path.name} has {size} bytes, the limit is {limit}")
    return path.read_bytes()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return _parsed(_read(path), path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path.parent}: {reason(error)}") from None


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError(f"{path.name} is not JSON") from None
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise ValueError(f"{path.name} has no format version")
    if content["format"] > FORMAT:
        raise ValueError(
            f"{path.name} has format {content['format']} and was written by a newer foveal; "
            f"this one reads up to {FORMAT}"
        )
    return content


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
