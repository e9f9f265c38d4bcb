"""A chat model with eyes as a searcher: it is shown the target and what the eye sees, and says where to look next."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveal.agents.searchers import Priorities, Searcher, Sight
from foveal.envs.visual_search.paradigms import PX_PER_DEG
from foveal.optics.eye import Eye, foveate, pyramid

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

QUESTION = (
    "The first picture is a target. The second is a display of items, one of which is the target; of all others "
    "nothing is said. You look at the point {x} % from its left edge and {y} % from its top, and what is far from "
    "there is blurred. What you have looked at is gone. Where do you look next to find the target in as few looks as "
    "possible? End with two whole numbers from 0 to 100: per cent from the left edge, and from the top."
)
_LONGEST = 20_000  # characters of an answer that are read
_SIDE = 64  # of a map


def by_chat(model: BaseChatModel, *, px_per_deg: float = PX_PER_DEG, e2_deg: float = 2.3, seed: int = 0) -> Searcher:
    """Looks at the item nearest to where a chat model says.

    Args:
        model: With image input.
        px_per_deg: Of the pictures.
        e2_deg: Eccentricity at which half of the fovea's resolution is left, degrees.
        seed: Of the items that are looked at where an answer cannot be read.

    The searcher raises `RuntimeError` where the model does not answer; what its own error says is not told, as it might
    quote a key.
    """
    rng = np.random.default_rng(seed)
    eye = Eye(px_per_deg=px_per_deg, e2_deg=e2_deg)

    def searcher(sight: Sight) -> Priorities:
        height, width = sight.pictures.shape[1:]
        seen = foveate(pyramid(sight.pictures, eye.levels), sight.fixations, eye)
        stride = max(height, width) / _SIDE
        axes = (np.arange(_SIDE) + 0.5) * 100 / _SIDE
        maps = []
        for view, target, (x, y) in zip(seen, sight.targets, sight.fixations, strict=True):
            told = QUESTION.format(x=round(100 * x / width), y=round(100 * y / height))
            point = answered(_said(model, [{"type": "text", "text": told}, _image(target), _image(view)]))
            away = rng.random((_SIDE, _SIDE)) if point is None else np.hypot(axes - point[0], axes[:, None] - point[1])
            maps.append(-away)
        corner = np.full((len(maps), 2), (stride - 1) / 2)
        return Priorities(np.stack(maps), corner, stride)

    return searcher


def _said(model: BaseChatModel, asked: list[dict[str, Any]]) -> Any:
    try:
        return model.invoke([{"role": "user", "content": asked}]).content
    except Exception as error:  # whatever a provider's class raises
        raise RuntimeError(f"the model does not answer ({type(error).__name__})") from None


def answered(content: Any) -> tuple[float, float] | None:
    """The last two whole numbers from 0 to 100 of an answer; None where there are none."""
    if not isinstance(content, str):
        content = " ".join(part.get("text", "") for part in content if isinstance(part, dict))
    found = [int(word) for word in re.findall(r"(?<![\d.])\d{1,3}(?![\d.]*\d)", content[-_LONGEST:])]
    if len(found) < 2 or max(found[-2:]) > 100:
        return None
    return float(found[-2]), float(found[-1])


def _image(picture: NDArray[Any]) -> dict[str, Any]:
    import cv2

    _, data = cv2.imencode(".png", np.rint(picture).astype(np.uint8))
    url = f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
