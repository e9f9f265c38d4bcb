"""Episodes as they were driven, and the Minari dataset that keeps them."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

if TYPE_CHECKING:
    from minari import MinariDataset


@dataclass
class Episode:
    """An episode of T steps, as far as it has gone.

    Attributes:
        seed: What ``reset`` was given; with the actions it gives the whole episode again.
        observations: T + 1, the first one that of the reset.
        actions: T.
        rewards: T.
        terminations: T; at most the last one is True.
        truncations: T, likewise.
    """

    seed: int
    observations: list[Any] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminations: list[bool] = field(default_factory=list)
    truncations: list[bool] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.truncations)  # the last to be noted: a step that Ctrl-C broke into does not count

    @property
    def ended(self) -> bool:
        """Whether the world has ended it."""
        return len(self) > 0 and (self.terminations[len(self) - 1] or self.truncations[-1])

    def begin(self, env: gymnasium.Env[Any, Any]) -> None:
        """Reset the environment."""
        self.observations.append(env.reset(seed=self.seed)[0])

    def step(self, env: gymnasium.Env[Any, Any], action: Any) -> dict[str, Any]:
        """Step the environment; its info."""
        observation, reward, terminated, truncated, info = env.step(action)
        self.observations.append(observation)
        self.actions.append(action)
        self.rewards.append(float(reward))
        self.terminations.append(terminated)
        self.truncations.append(truncated)
        return info


class Dataset:
    """A new Minari dataset, written to with every episode; needs ``pip install 'foveal[minari]'``.

    It lies where Minari looks for it: in ``$MINARI_DATASETS_PATH``, or else in ``~/.minari/datasets``.

    Args:
        name: Minari's name for it, ``[NAMESPACE/]NAME-vVERSION``.
        env_id: The world.
        params: Its parameters; `MinariDataset.recover_environment` makes the world with them.
        driver: Who drives, for the dataset's metadata.

    Raises:
        ImportError: without Minari.
        ValueError: for a name that Minari does not take.
        FileExistsError: where there is such a dataset.
    """

    def __init__(self, name: str, env_id: str, params: dict[str, Any], driver: str) -> None:
        import h5py  # noqa: F401  # with which Minari stores episodes, imported when it first does
        from minari.dataset.minari_dataset import parse_dataset_id
        from minari.storage import get_dataset_path

        try:
            parse_dataset_id(name)
        except (TypeError, ValueError):  # no version makes Minari raise the former
            raise ValueError(f"{name}: must be NAME-v0 or SPACE/NAME-v0, of letters, digits, - and _") from None
        self.path = get_dataset_path(name)
        if self.path.exists():
            raise FileExistsError(f"{name}: there is such a dataset already, in {self.path}")
        self.name, self.driver, self.episodes = name, driver, 0
        self.spec = copy.deepcopy(gymnasium.spec(env_id))
        self.spec.kwargs |= params
        self._dataset: MinariDataset | None = None

    def keep(self, episode: Episode) -> None:
        """Write an episode of at least one step to the disk; one that the world has not ended counts as truncated."""
        from minari import create_dataset_from_buffers
        from minari.data_collector import EpisodeBuffer

        steps = len(episode)
        buffer = EpisodeBuffer(
            id=self.episodes,
            seed=episode.seed,
            observations=_stacked(episode.observations[: steps + 1]),
            actions=_stacked(episode.actions[:steps]),
            rewards=episode.rewards[:steps],
            terminations=episode.terminations[:steps],
            truncations=[*episode.truncations[: steps - 1], episode.truncations[-1] or not episode.ended],
        )
        if self._dataset is not None:
            self._dataset.storage.update_episodes([buffer])
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of an author and a link to code, which are the user's to add
                self._dataset = create_dataset_from_buffers(
                    self.name,
                    [buffer],
                    env=self.spec,
                    eval_env=self.spec,
                    algorithm_name=self.driver,
                    description=f"{self.spec.id}, driven by {self.driver}",
                    jpeg_encoding=False,  # which would lose what a picture shows
                )
        self.episodes += 1


def _stacked(items: list[Any]) -> Any:
    """Arrays (T, ...) of T items, which are arrays, numbers, or dicts or tuples of them."""
    if isinstance(items[0], dict):
        return {key: _stacked([item[key] for item in items]) for key in items[0]}
    if isinstance(items[0], tuple):
        return tuple(_stacked(list(parts)) for parts in zip(*items, strict=True))
    return np.stack(items)
