"""Training: the loop around the learner, its checkpoints and metrics, and how it is stopped and resumed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from foveal.agents.agent import Agent
from foveal.agents.config import PPOConfig
from foveal.agents.files import RunError
from foveal.agents.metrics import Metrics, Progress, plot_curve
from foveal.agents.ppo import PPO, ExtraLoss
from foveal.agents.rollouts import make_world
from foveal.agents.runs import Run
from foveal.envs.advice import Advised, Adviser


def train(
    config: PPOConfig,
    run_dir: str | Path,
    *,
    resume: bool = False,
    start: Agent | None = None,
    progress: bool = True,
    extra_losses: Sequence[ExtraLoss] = (),
    adviser: Adviser | None = None,
) -> Path:
    """Train a policy and leave a run folder.

    On one machine the same configuration gives the same weights bit for bit, however often it was resumed.

    Args:
        config: Of the run. To resume, the one that the run has (`runs.Run.config`); only `max_seconds`,
            `checkpoint_steps` and `tensorboard` may differ.
        run_dir: The run folder.
        resume: Go on from the latest sound checkpoint instead of beginning.
        start: An agent whose policy is the first one, but for a frozen encoder; by default weights are drawn.
        progress: Tell on stderr how it goes: a bar on a terminal, else a line every ten seconds.
        extra_losses: See `PPO`; a resumed run needs the same.
        adviser: Whose advice is observed in training, see `foveal.envs.advice.Advised`; what it is for, the
            configuration says. A resumed run needs the same. Who loads the agent needs none.

    Returns:
        The run folder.

    Raises:
        RunError: for an unknown world, a folder that holds a run already (or none, to resume), no sound
            checkpoint, an agent of another shape to start from, a loss that is not finite, or files that cannot be
            written. What was saved stays.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is written; the message says where. A second Ctrl-C
            does not wait for that.
    """
    with _torch_threads(config.torch_threads), _noted_interrupt() as interrupted:
        try:
            world = make_world(config.env_id, config.num_envs, config.env_params)
            learner = PPO(config, world if adviser is None else Advised(world, adviser), extra_losses)
            if start is not None:
                learner.policy.adopt(start.policy)
        except (TypeError, ValueError) as error:
            raise RunError(str(error)) from None
        run, seconds_before = _open(config, run_dir, learner, resume)
        try:
            path = _train(learner, run, seconds_before, interrupted, progress)
        except RunError as error:
            raise RunError(f"{error}; {run.last_good()}") from None
    if interrupted.is_set():
        raise KeyboardInterrupt(f"stopped at step {learner.step_count}; the checkpoint is {path}")
    return run.path


def _open(config: PPOConfig, run_dir: str | Path, learner: PPO, resume: bool) -> tuple[Run, float]:
    """The run with the learner where it stands, and the seconds spent on it before."""
    if not resume:
        run = Run.create(run_dir, config)
        run.save(0, learner.state(), {"seconds": 0.0}, None)
        return run, 0.0
    run = Run(run_dir)
    for item in fields(config):
        given, stored = getattr(config, item.name), getattr(run.config, item.name)
        if given != stored and item.name not in ("max_seconds", "checkpoint_steps", "tensorboard"):
            raise RunError(f"{run.path}: cannot resume with {item.name}={given!r}, the run has {stored!r}")
    checkpoint = run.load()
    learner.restore(checkpoint.arrays, str(checkpoint.path))
    run.rewind(learner.step_count)
    return run, float(checkpoint.facts.get("seconds", 0.0))


def _train(learner: PPO, run: Run, seconds_before: float, interrupted: threading.Event, progress: bool) -> Path:
    """Train to the end, or until interrupted or out of time; returns the path of the last checkpoint."""
    config, start, first = learner.config, time.monotonic(), learner.step_count
    path, saved, stop = run.checkpoints, first, False
    scores: list[tuple[float, int]] = []  # since the last checkpoint: mean return, episodes
    shown = Progress(config.total_steps, progress)
    with Metrics(run.path, first, config.tensorboard) as metrics, shown:
        while learner.update_count < config.updates and not stop:
            measured = learner.learn()
            step, elapsed = learner.step_count, time.monotonic() - start
            rate, seconds = (step - first) / elapsed, seconds_before + elapsed
            metrics.add({"step": step, "seconds": seconds, "steps_per_second": rate, **measured})
            shown.show(step, rate, measured["return_mean"])
            if measured["return_mean"] is not None:
                scores.append((measured["return_mean"], int(measured["episodes"] or 0)))
            out_of_time = config.max_seconds is not None and elapsed >= config.max_seconds
            stop = interrupted.is_set() or out_of_time
            if stop or learner.update_count == config.updates or step - saved >= config.checkpoint_steps:
                episodes = sum(count for _, count in scores)
                score = sum(mean * count for mean, count in scores) / episodes if episodes else None
                path, saved, scores = run.save(step, learner.state(), {"seconds": seconds}, score), step, []
    plot_curve(run.path, config.env_id)
    return path


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _noted_interrupt() -> Iterator[threading.Event]:
    """Note a first Ctrl-C, so that an update is finished before we stop; a second one interrupts at once."""
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted  # only the main thread may handle signals
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*_: Any) -> None:
        noted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
