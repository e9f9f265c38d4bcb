"""The command line: ``foveal COMMAND …``; ``foveal COMMAND --help`` tells its options with their units."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import tyro

from foveal.commands.acting import Eval, Record
from foveal.commands.bench import Bench
from foveal.commands.experiment import Experiment
from foveal.commands.playing import Play
from foveal.commands.rig import Check
from foveal.commands.teacher import Ask, Find, Remember, Serve, Tabulate
from foveal.commands.terminal import BadInput, Failure
from foveal.commands.training import Demo, Train
from foveal.commands.whatif import WhatIf
from foveal.commands.worlds import List
from foveal.envs.params import did_you_mean

COMMANDS: dict[str, type[Any]] = {
    "list": List,
    "train": Train,
    "eval": Eval,
    "record": Record,
    "whatif": WhatIf,
    "play": Play,
    "bench": Bench,
    "experiment": Experiment,
    "rig check": Check,
    "teacher serve": Serve,
    "teacher ask": Ask,
    "teacher table": Tabulate,
    "teacher remember": Remember,
    "teacher whereabouts": Find,
    "demo": Demo,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after ``foveal``; None takes those of the process.

    Returns:
        Exit status: 0 done, 1 failed on the way (a full disk, a lost folder), 2 bad input, 130 interrupted.
        Every failure that the user can do something about is one line on stderr.
    """
    try:
        command = parse(list(sys.argv[1:] if arguments is None else arguments))
        if command is not None:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_, **__: _tell_warning(message)
                command.run()
            sys.stdout.flush()
        return 0
    except Failure as error:
        return _tell(str(error), error.status)
    except KeyboardInterrupt as error:
        return _tell(str(error) or "interrupted", 130)
    except BrokenPipeError:  # the reader of our output went away: `foveal list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _tell(message: str, status: int) -> int:
    print(f"foveal: {' '.join(message.split())}", file=sys.stderr)
    return status


def _tell_warning(message: Warning | str) -> None:
    _tell(f"warning: {message}", 0)


def parse(words: list[str]) -> Any:
    """The command with its options; None where help was asked for and given.

    Raises:
        BadInput: for an unknown command or option, or a value of the wrong form.
    """
    if not words:
        raise BadInput(f"which command? one of {', '.join(COMMANDS)}; see foveal --help")
    name, *options = words
    if name in ("-h", "--help"):
        return _print_help()
    if name == "--version":
        from foveal import __version__

        return print(__version__)
    if options and f"{name} {options[0]}" in COMMANDS:
        name = f"{name} {options.pop(0)}"
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise BadInput(f"unknown {kind} {name!r}{did_you_mean(name, list(COMMANDS))}")
    command = Train.with_learner() if name == "train" else COMMANDS[name]
    return _parse_options(command, f"foveal {name}", options)


def _parse_options(command: type[Any], program: str, options: list[str]) -> Any:
    refusal = io.StringIO()
    try:
        with contextlib.redirect_stderr(refusal):
            parsed, unknown = tyro.cli(command, prog=program, args=options, return_unknown_args=True)
    except SystemExit as end:
        if not end.code:
            return None
        raise BadInput(f"{_one_line(refusal.getvalue())}; see {program} --help") from None
    except (TypeError, ValueError) as error:  # a configuration that refuses its values
        raise BadInput(str(error)) from None
    if unknown:
        word = unknown[0].partition("=")[0]
        if not word.startswith("-"):
            raise BadInput(f"unexpected argument {word!r}; see {program} --help")
        raise BadInput(f"unknown option {word!r}{did_you_mean(word, _options_of(command))}")
    return parsed


def _one_line(box: str) -> str:
    """The text of tyro's framed refusal: what stands above its first rule, without the frame."""
    lines = [line.strip("│ ") for line in box.splitlines() if line.startswith("│")]
    rule = next((number for number, line in enumerate(lines) if line and not line.strip("─")), len(lines))
    text = re.sub(r"\s+", " ", " ".join(lines[:rule])).strip()
    return text or " ".join(box.split())


def _options_of(command: type[Any]) -> list[str]:
    fields = [field for field in dataclasses.fields(command) if "Positional" not in str(field.type)]
    names = [field.name for field in fields if field.name != "ppo"]
    if command.__base__ is Train:
        names += [field.name for field in dataclasses.fields(command().ppo)]
    return [*(f"--{name.replace('_', '-')}" for name in names), "--help"]


def _print_help() -> None:
    print("usage: foveal COMMAND [OPTION …]\n\ncommands:")
    for name, command in COMMANDS.items():
        print(f"  {name:{max(map(len, COMMANDS)) + 2}}{(command.__doc__ or '').splitlines()[0]}")
    print("\n`foveal COMMAND --help` tells the options of a command.")
