"""Make the encoders' weights that we ship, and tell what linear probes read off every encoder.

    python -m foveal.experiments.encoder_weights rooms types   # trains, and writes agents/weights/
    python -m foveal.experiments.encoder_weights --probe       # a table

"rooms" learns without labels: half of the squares of 8 by 8 pixels of a frame of colours and depth are blanked out, and
a small decoder, thrown away later, completes the frame from the encoder's map (He et al., "Masked autoencoders", CVPR
2022, arXiv:2111.06377; Vincent et al., ICML 2008). "types" learns what no camera tells: which share of every block of
4 by 4 pixels each type fills. Frames are what walkers see in the training houses; losses and probes are told for the
houses of the validation split.

By those probes "rooms" tells no more of the types in view than the same network at random does; "types" tells more.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foveal.agents.encoder import Encoder
from foveal.agents.encoders import ENCODERS, WEIGHTS, RoomsCNN, make_encoder
from foveal.agents.evaluation import provenance
from foveal.agents.explorers import Bounce
from foveal.agents.probes import Labels, Scores, label, probe, summary
from foveal.agents.type_maps import BLOCKS, PIXELS, SeenTypes
from foveal.envs.objectnav.expert import END
from foveal.envs.objectnav.params import SPLITS
from foveal.envs.objectnav.types import TYPES
from foveal.envs.params import did_you_mean
from foveal.files import replace_file
from foveal.vision import efficientnet

WORLD = "foveal/ObjectNav-v0"
FAR_M = 8.0
"""Beyond, depth is all the same to the losses."""
SQUARE = 8
"""Side of what is blanked out, px."""
BLANK_SHARE = 0.5
LEAST_SHARE = 1e-4
"""Of all pixels; rarer types count as if they filled so much."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of one training; the JSON beside the weights tells theirs."""

    seed: int = 0
    ithor_houses: int = 80
    robothor_houses: int = 60
    procedural_houses: int = 200
    held_out_houses: int = 20
    frames: int = 196_608
    held_out_frames: int = 4_096
    steps: int = 8_000
    batch: int = 256
    mixed_precision: bool = True
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2


class Frames(NamedTuple):
    """N frames of 64 x 64 pixels, and what is true of them.

    Attributes:
        rgb: (N, H, W, 3) uint8.
        depth: (N, H, W) float16 m; float32 would take half as much again.
        semantic: (N, H, W) uint8, types.
        labels: For probes.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float16]
    semantic: NDArray[np.uint8]
    labels: Labels

    def images(self, numbers: NDArray[np.int64]) -> dict[str, Tensor]:
        """What an encoder reads, of some frames."""
        seen = {name: torch.from_numpy(getattr(self, name)[numbers]) for name in ("rgb", "depth", "semantic")}
        return {**seen, "depth": seen["depth"].float()}


def frames_of(split: str, houses: dict[str, int], count: int, seed: int) -> Frames:
    """Frames of the houses of a split, as many of each source in `houses` (0: all there are).

    Every episode is 12 actions long, so most views are those of starts, which are drawn evenly; every third is kept.
    Three actions of four are those of a walker that goes on until it bumps into something, the others are drawn.
    """
    rows, random, parts = 256, np.random.default_rng(seed), []
    for number, (scenes, many) in enumerate(houses.items()):
        first_house = 100_000 * SPLITS.index(split) + 10_000 * number  # no two houses have the same number
        env = gym.make_vec(
            WORLD, num_envs=rows, scenes=scenes, split=split, houses=many, duration=12, semantic=True,
            autoreset_mode="same_step",
        )  # fmt: skip
        walker = Bounce(env.unwrapped, seed)
        observations, infos = env.reset(seed=seed)
        for _ in range(math.ceil(count / len(houses) / rows)):
            parts.append(_kept(env, observations, infos, first_house))
            for _ in range(3):
                drawn = random.integers(END, size=rows)
                actions = np.where(random.random(rows) < 0.25, drawn, walker.explore(observations))
                observations, _, _, _, infos = env.step(actions)
        env.close()
    together = [np.concatenate(part) for part in zip(*(part[:-1] for part in parts), strict=True)]
    labels = Labels(*(np.concatenate(part) for part in zip(*(part.labels for part in parts), strict=True)))
    return Frames._make([*together, labels])


def _kept(env: Any, observations: dict[str, NDArray[Any]], infos: dict[str, Any], first_house: int) -> Frames:
    labels = label(env, observations, infos)
    labels = labels._replace(house=labels.house + first_house)
    return Frames(observations["rgb"], observations["depth"].astype(np.float16), observations["semantic"], labels)


class Completion(nn.Module):
    """The task-free objective: complete half-blanked frames."""

    def __init__(self, encoder: RoomsCNN, frames: Frames) -> None:
        super().__init__()
        self.encoder = encoder
        self.grow = nn.ConvTranspose2d(encoder.channels, 96, 2)  # 7 by 7 cells to 8 by 8 squares
        self.paint = nn.Conv2d(96, 4 * SQUARE**2, 1)
        self.middle, self.spread = torch.tensor([[150.0, 150, 150, 2], [50, 50, 50, 1]])
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: dict[str, Tensor]) -> Tensor:
        """Mean loss of a batch: Huber's, of colours in units of their spread and of depth in metres."""
        seen = torch.cat([images["rgb"], images["depth"].clamp(max=FAR_M).unsqueeze(-1)], -1)  # (B, 64, 64, 4)
        squares = seen.view(len(seen), 8, SQUARE, 8, SQUARE, 4)
        blanked = squares * (torch.rand(len(seen), 8, 1, 8, 1, 1) >= BLANK_SHARE)
        maps = self.encoder.layers(blanked.view_as(seen).permute(0, 3, 1, 2))
        drawn = self.paint(F.relu(self.grow(maps))).permute(0, 2, 3, 1)  # (B, 8, 8, 4 * 64)
        wanted = ((squares - self.middle) / self.spread).transpose(2, 3).flatten(3)
        return F.smooth_l1_loss(drawn, wanted)


class Naming(nn.Module):
    """The task-relevant objective: the type of a pixel of every block of 4 by 4, drawn anew in every batch."""

    def __init__(self, encoder: SeenTypes, frames: Frames) -> None:
        super().__init__()
        self.encoder = encoder
        some = frames.images(np.arange(0, len(frames.rgb), max(len(frames.rgb) // 2048, 1)))["semantic"]
        common = torch.bincount(some.flatten().long(), minlength=len(TYPES)) / some.numel()
        self.weights = common.clamp(min=LEAST_SHARE).rsqrt()

    def forward(self, images: dict[str, Tensor]) -> Tensor:
        """Mean cross-entropy of a batch's blocks in nats; a type counts by the root of how rare it is."""
        down, right = torch.randint(PIXELS // BLOCKS, (2,)).tolist()
        wanted = images["semantic"][:, down :: PIXELS // BLOCKS, right :: PIXELS // BLOCKS].flatten().long()
        return F.cross_entropy(self.encoder.logits(images).flatten(0, 1).float(), wanted, self.weights)


OBJECTIVES: dict[str, Callable[[Any, Frames], nn.Module]] = {"rooms": Completion, "types": Naming}
NETWORKS: dict[str, Callable[[gym.Space[Any]], Encoder]] = {"rooms": RoomsCNN, "types": SeenTypes}


def fit(name: str, frames: Frames, held_out: Frames, settings: Settings) -> tuple[Encoder, list[dict[str, float]]]:
    """Train an encoder for an objective; tells the losses at ten moments."""
    torch.manual_seed(settings.seed)
    random = np.random.default_rng(settings.seed)
    encoder = NETWORKS[name](_space())
    objective = OBJECTIVES[name](encoder, frames)
    optimiser = torch.optim.AdamW(objective.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    losses, told, begin = [], [], time.perf_counter()
    for step in range(1, settings.steps + 1):
        numbers = random.integers(len(frames.rgb), size=settings.batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.mixed_precision):
            loss = objective(_varied(frames.images(numbers)))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % max(settings.steps // 10, 1) == 0:
            train = float(np.mean(losses[-settings.steps // 10 :]))
            told.append({"step": step, "train": train, "held_out": _loss(objective, held_out)})
            print(f"{name}: {told[-1]}, {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    if isinstance(encoder, RoomsCNN):
        _normalise(encoder, frames)
    return encoder, told


def _varied(images: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same frames in another light, and half of them mirrored."""
    rgb = images["rgb"]
    gains = torch.empty(len(rgb), 1, 1, 3).uniform_(0.9, 1.1) * torch.empty(len(rgb), 1, 1, 1).uniform_(0.8, 1.2)
    rgb = (rgb * gains).clamp_(max=255).byte()
    mirrored = torch.rand(len(rgb)) < 0.5
    return {
        name: torch.where(mirrored.view(-1, *[1] * (image.dim() - 1)), image.flip(2), image)
        for name, image in {**images, "rgb": rgb}.items()
    }


@torch.no_grad()
def _loss(objective: nn.Module, frames: Frames) -> float:
    """Mean loss over all frames; what is blanked out of them is always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        batches = np.array_split(np.arange(len(frames.rgb)), max(len(frames.rgb) // 256, 1))
        return float(np.mean([objective(frames.images(batch)).item() for batch in batches]))


@torch.no_grad()
def _normalise(encoder: RoomsCNN, frames: Frames) -> None:
    """Scale the last layer so that every channel's mean square over training frames is 1; ReLU allows it."""
    maps = encoder(frames.images(np.arange(0, len(frames.rgb), max(len(frames.rgb) // 2048, 1))))
    size = maps.square().mean((0, 2, 3)).sqrt()
    size[size < 1e-3] = 1.0  # a dead channel stays dead
    encoder.third.weight /= size.view(-1, 1, 1, 1)
    encoder.third.bias /= size


@torch.no_grad()
def features_of(encoder: Encoder, frames: Frames) -> NDArray[np.float32]:
    """Each channel's mean and greatest value (N, 2 C) in an encoder's maps of frames."""
    batches = np.array_split(np.arange(len(frames.rgb)), max(len(frames.rgb) // 256, 1))
    return np.concatenate([summary(encoder(frames.images(batch)).numpy()) for batch in batches])


def _probed(encoder: Encoder, frames: Frames, held_out: Frames) -> Scores:
    some = np.arange(0, len(frames.rgb), 3)  # enough for so few weights
    labels = Labels._make(part[some] for part in frames.labels)
    fewer = Frames._make([*(part[some] for part in frames[:-1]), labels])
    return probe(
        features_of(encoder, fewer), fewer.labels, features_of(encoder, held_out), held_out.labels, per_goal=True
    )


def _space() -> gym.spaces.Dict:
    return gym.spaces.Dict(
        rgb=gym.spaces.Box(0, 255, (64, 64, 3), np.uint8),
        depth=gym.spaces.Box(0, 20, (64, 64), np.float32),
        semantic=gym.spaces.Box(0, 255, (64, 64), np.uint8),
    )


def make(name: str, frames: Frames, held_out: Frames, settings: Settings) -> None:
    """Train an encoder and write its weights, with all that is known of them beside."""
    made_with, begin, processor = provenance(), time.perf_counter(), time.process_time()
    encoder, losses = fit(name, frames, held_out, settings)
    seconds, processor = time.perf_counter() - begin, time.process_time() - processor
    data = safetensors.torch.save({key: tensor.contiguous() for key, tensor in encoder.state_dict().items()})
    scores = _probed(encoder.freeze(), frames, held_out)
    card = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "objective": " ".join((OBJECTIVES[name].__doc__ or "").split()),
        **made_with,
        **dataclasses.asdict(settings),
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "losses": losses,
        "probes": {part: list(getattr(scores, part)) for part in ("presence", "goal_visible", "goal_distance")},
    }
    WEIGHTS.mkdir(exist_ok=True)
    replace_file(WEIGHTS / f"{name}.safetensors", data)
    replace_file(WEIGHTS / f"{name}.json", (json.dumps(card, indent=2) + "\n").encode())
    print(f"{name}: {len(data):,} bytes, {seconds:.0f} s; presence {scores.presence}")


def table(frames: Frames, held_out: Frames, names: list[str]) -> str:
    """What linear probes read off encoders on held-out houses, and off nothing but the goal's name."""
    torch.manual_seed(0)
    encoders = {name: make_encoder(name, _space()) for name in names}
    rates = _frames_per_second(encoders, held_out)
    scores = {name: _probed(encoder, frames, held_out)[:3] for name, encoder in encoders.items()}
    nothing = [np.zeros((len(part.rgb), 1), np.float32) for part in (frames, held_out)]
    scores["nothing"] = probe(nothing[0], frames.labels, nothing[1], held_out.labels, per_goal=True)[:3]
    columns = ["encoder", "type in view [AUC]", "goal in view [AUC]", "distance to goal [R²]", "frames/s"]
    lines = [f"| {' | '.join(columns)} |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {' | '.join(map(str, told))} | {rates.get(name, '')} |" for name, told in scores.items()]
    return "\n".join(lines)


def _frames_per_second(encoders: dict[str, Encoder], frames: Frames) -> dict[str, str]:
    """By the median of ten batches of 256; encoders take turns, so that whatever else runs slows them all alike."""
    images = frames.images(np.arange(256))
    taken: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(10):
        for name, encoder in encoders.items():
            begin = time.perf_counter()
            encoder(images)
            taken[name].append(time.perf_counter() - begin)
    return {name: f"{256 / np.median(times):,.0f}" for name, times in taken.items()}


def main(arguments: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m foveal.experiments.encoder_weights", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to train: {', '.join(OBJECTIVES)}")
    parser.add_argument("--probe", action="store_true", help="print the table of all frozen encoders")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    for field in dataclasses.fields(Settings):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    given = vars(parser.parse_args(arguments))
    names, probing = given.pop("names"), given.pop("probe")
    if unknown := [name for name in names if name not in OBJECTIVES]:
        parser.error(f"unknown weights {unknown[0]!r}{did_you_mean(unknown[0], list(OBJECTIVES))}")
    if not names and not probing:
        parser.error("say what to train, or --probe")
    torch.set_num_threads(given.pop("threads"))
    settings = Settings(**given)
    houses = {source: getattr(settings, f"{source}_houses") for source in ("ithor", "robothor", "procedural")}
    frames = frames_of("train", houses, settings.frames, settings.seed)
    houses = dict.fromkeys(houses, settings.held_out_houses)
    held_out = frames_of("val", houses, settings.held_out_frames, settings.seed + 1)
    print(f"{len(frames.rgb):,} frames, {len(held_out.rgb):,} held out", file=sys.stderr)
    for name in names:
        make(name, frames, held_out, settings)
    if probing:
        # "cnn" is "random" until a policy trains it
        there = [name for name in ENCODERS if name != "cnn" and (name != "imagenet" or efficientnet.is_installed())]
        print(table(frames, held_out, there))


if __name__ == "__main__":
    main()
