"""Make the small networks that come with foveal, which differ in what they were trained on.

    python -m foveal.experiments.diet_networks                 # all of `foveal.vision.diets.DIETS`, five or ten of each
    python -m foveal.experiments.diet_networks upright turned  # some of them

Each learns to name single things in generated pictures (`foveal.vision.diets`), never to search. Networks are those of
`foveal.vision.backbones.Blocks` with ordinary pooling. Of every diet a file with the weights of all seeds goes into
``vision/weights``, as float16, and beside it a JSON that says how they came about and how many held-out pictures
they name rightly.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.agents.evaluation import provenance
from foveal.files import replace_file
from foveal.vision.backbones import SEEDS, SMALL, WEIGHTS, Blocks, small
from foveal.vision.diets import DIETS, NAMES, pictures


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of one training."""

    pictures: int = 5_120
    held_out: int = 1_024
    steps: int = 480
    batch: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 1e-3


HELD_OUT_SEED = 1_000_000
"""Of the held-out pictures; those to learn from have the network's."""


class Namer(nn.Module):
    """A backbone, and a layer that names things by the mean of its last map."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Blocks(SMALL, pooling="average")
        self.names = nn.Linear(SMALL[-1][-1], len(NAMES))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 9) of images (B, 1, H, W)."""
        logits: Tensor = self.names(self.seen(images)[-1].mean((2, 3)))
        return logits


def trained(diet: str, seed: int, settings: Settings) -> tuple[Blocks, float]:
    """A network of a diet, and which share of held-out pictures of that diet it names rightly."""
    torch.manual_seed(seed)
    model = Namer()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    Blocks(SMALL)  # draws what was drawn here when the shipped weights were made, so that they come out again
    model.seen.load_state_dict(small("untrained", seed).state_dict())
    images, names = pictures(diet, settings.pictures, seed)
    order = torch.cat([torch.randperm(len(images)) for _ in range(-(-settings.steps * settings.batch // len(images)))])
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, settings.steps)
    for step in range(settings.steps):
        rows = order[step * settings.batch : (step + 1) * settings.batch]
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(images[rows]), names[rows])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    images, names = pictures(diet, settings.held_out, HELD_OUT_SEED + seed)
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in images.split(256)]) == names
    return model.seen.eval(), float(right.float().mean())


def make(diet: str, seeds: int, settings: Settings) -> list[float]:
    """Train the networks of a diet and write their files; how many pictures each names rightly."""
    tensors: dict[str, Tensor] = {}
    shares = []
    for seed in range(seeds):
        begin = time.monotonic()
        network, share = trained(diet, seed, settings)
        tensors |= {f"{seed}.{name}": tensor.half().contiguous() for name, tensor in network.state_dict().items()}
        shares.append(round(share, 4))
        print(f"{diet}, seed {seed}: {share:.1%} named rightly, {time.monotonic() - begin:.0f} s", flush=True)
    told = {"diet": diet, **dataclasses.asdict(settings), "right": shares, **provenance()}
    WEIGHTS.mkdir(exist_ok=True)
    replace_file(WEIGHTS / f"{diet}.safetensors", safetensors.torch.save(tensors))
    replace_file(WEIGHTS / f"{diet}.json", (json.dumps(told, indent=1) + "\n").encode())
    return shares


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m foveal.experiments.diet_networks")
    parser.add_argument("diets", nargs="*", help=f"of {', '.join(DIETS)}; all by default")
    given = parser.parse_args(arguments)
    if unknown := set(given.diets) - set(DIETS):
        parser.error(f"unknown diet {', '.join(sorted(unknown))}: must be of {', '.join(DIETS)}")
    for diet in given.diets or DIETS:
        make(diet, SEEDS[diet], Settings())


if __name__ == "__main__":
    main()
