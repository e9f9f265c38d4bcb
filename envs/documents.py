"""JSON files of a known format: written as a whole or not at all, and read as data, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from foveal.files import replace_file

VERSION = 1


def write_document(path: str | Path, kind: str, content: dict[str, Any]) -> Path:
    """Write a document; folders on the way are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": kind, "version": VERSION, **content}, indent=1, allow_nan=False)
    replace_file(target, (text + "\n").encode())
    return target


def read_document(path: Path, kind: str, what: str, most: int) -> dict[str, Any]:
    """Read a document.

    Args:
        path: The file.
        kind: Its format.
        what: What it should be, for the message.
        most: Bytes.

    Raises:
        ValueError: for a file that is too large, no JSON, or of another format or version; it names the file.
        OSError: where there is none.
    """
    if (size := path.stat().st_size) > most:
        raise ValueError(f"{path}: {size} bytes, more than the {most} of a {what}")
    try:
        document = json.loads(path.read_text("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON file: {type(error).__name__}") from None
    if not isinstance(document, dict) or document.get("format") != kind:
        raise ValueError(f"{path}: not a {what} (its format is not {kind!r})")
    if type(document.get("version")) is not int or document["version"] != VERSION:
        raise ValueError(f"{path}: version {str(document.get('version'))[:20]}, only {VERSION} is known")
    return document


def _refuse(constant: str) -> Any:
    raise ValueError(constant)  # NaN and the like, which are no JSON
