"""Past scenes with what was done and what came of it: recalled, voted on, and corrected after a crash."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from foveal.envs.documents import read_document, write_document
from foveal.envs.driving.controls import META_ACTIONS
from foveal.envs.params import did_you_mean
from foveal.llm_teacher.embeddings import HashedEmbeddings
from foveal.llm_teacher.risk import NUMBERS, is_scene_text

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore

OUTCOMES = ("success", "slow", "crash", "advised")
"""What came of it: the episode went well, it was safe and too slow, it crashed, or nobody has tried yet."""
_WORTH = {"success": 1.0, "slow": -0.5, "crash": -1.0, "advised": 0.5}
MAX_CASES = 20_000
MAX_BYTES = 50_000_000  # of a file
MAX_REFLECTION = 300  # characters
MAX_TIMES = 1_000_000
FORMAT = "foveal-memory"
BRAKED = "SLOWER"


@dataclass(frozen=True)
class Case:
    """A scene, an action and what came of it.

    Attributes:
        text: The scene, as `foveal.llm_teacher.risk.to_text` puts it; another text is refused.
        numbers: (NUMBERS,), the scene as `foveal.llm_teacher.risk.to_numbers` puts it.
        action: One of highway-env's meta-actions.
        outcome: One of `OUTCOMES`.
        reflection: What was learnt of it: at most `MAX_REFLECTION` characters, see `plain`.
        times: How often it has happened.

    Raises:
        ValueError: for anything else; it names the field.
        TypeError: for a field of the wrong type.
    """

    text: str
    numbers: tuple[float, ...]
    action: str
    outcome: str
    reflection: str = ""
    times: int = 1

    def __post_init__(self) -> None:
        for name in ("text", "action", "outcome", "reflection"):
            if not isinstance(value := getattr(self, name), str):
                raise TypeError(f"{name} of a case: must be a str, got {type(value).__name__}")
        if not is_scene_text(self.text):
            raise ValueError("text of a case: must be short and of the words of foveal.llm_teacher.risk.to_text")
        for name, valid in (("action", META_ACTIONS), ("outcome", OUTCOMES)):
            if (value := getattr(self, name)) not in valid:
                raise ValueError(f"{name} {value[:40]!r} of a case{did_you_mean(value[:40], list(valid))}")
        if self.reflection != plain(self.reflection):
            raise ValueError(f"reflection of a case: must be plain words, at most {MAX_REFLECTION} characters")
        if type(self.times) is not int or not 1 <= self.times <= MAX_TIMES:
            raise ValueError(f"times of a case: must be an int in [1, {MAX_TIMES}]")
        numbers = np.asarray(self.numbers)
        if numbers.dtype.kind not in "fiu" or numbers.shape != (NUMBERS,) or not (np.abs(numbers) <= 1).all():
            raise ValueError(f"numbers of a case: must be {NUMBERS} numbers in [-1, 1]")
        object.__setattr__(self, "numbers", tuple(float(number) for number in numbers))


class Recalled(NamedTuple):
    """A case that was recalled, and how similar its scene is, in [0, 1]."""

    case: Case
    similarity: float


def plain(words: str) -> str:
    """Anybody's words as plain text: letters, digits and simple punctuation on one line, cut to `MAX_REFLECTION`."""
    kept = re.sub(r"[^A-Za-z0-9_.,;:()/%+= '-]", " ", words[: 4 * MAX_REFLECTION])
    return re.sub(r" +", " ", kept)[:MAX_REFLECTION].strip()


class Memory:
    """Cases, and the store that finds those of similar scenes.

    Recall has two stages, as in the public code of Actor-Reasoner (arXiv 2503.00502): the `candidates` cases whose
    numbers are nearest (sum of absolute differences), and of those the ones whose text is most similar.

    Args:
        embeddings: Of texts, such as `foveal.llm_teacher.minilm.MiniLM`; None: `HashedEmbeddings`.
        store: Makes the vector store for those embeddings; None: LangChain's in memory. Its searches must take a
            ``filter`` called with a document, as that one's do.
        candidates: Of the first stage.

    Raises:
        ImportError: without LangChain.
    """

    def __init__(
        self,
        embeddings: Embeddings | None = None,
        *,
        store: Callable[[Embeddings], VectorStore] | None = None,
        candidates: int = 32,
    ) -> None:
        if candidates < 1:
            raise ValueError(f"candidates={candidates}: must be at least 1")
        if embeddings is None:
            from langchain_core.embeddings import Embeddings

            Embeddings.register(HashedEmbeddings)  # some stores ask for its class
            embeddings = cast(Embeddings, HashedEmbeddings())
        if store is None:
            from langchain_core.vectorstores import InMemoryVectorStore

            store = InMemoryVectorStore
        self._store = store(embeddings)
        self._candidates = candidates
        self._cases: list[Case] = []
        self._numbers = np.zeros((0, NUMBERS), np.float32)
        self._places: dict[tuple[str, str, str], int] = {}

    @property
    def cases(self) -> tuple[Case, ...]:
        """All, in the order they came."""
        return tuple(self._cases)

    def add(self, *cases: Case) -> None:
        """Remember cases; one whose text, action and outcome are known counts once more, and its reflection is renewed.

        Raises:
            ValueError: for more than `MAX_CASES`.
        """
        from langchain_core.documents import Document

        new: dict[tuple[str, str, str], Case] = {}
        for case in cases:
            key = (case.text, case.action, case.outcome)
            known = new.get(key) or (self._cases[self._places[key]] if key in self._places else None)
            if known is not None:
                times = min(known.times + case.times, MAX_TIMES)
                case = replace(known, times=times, reflection=case.reflection or known.reflection)
            if key in self._places:
                self._cases[self._places[key]] = case
            else:
                new[key] = case
        if len(self._cases) + len(new) > MAX_CASES:
            raise ValueError(f"a memory holds at most {MAX_CASES} cases")
        if not new:
            return
        first, added = len(self._cases), list(new.values())
        self._places |= {key: first + n for n, key in enumerate(new)}
        self._cases += added
        self._numbers = np.concatenate([self._numbers, np.array([case.numbers for case in added], np.float32)])
        self._store.add_documents(
            [Document(case.text, id=str(place), metadata={"place": place}) for place, case in enumerate(added, first)]
        )

    def recall(self, text: str, numbers: NDArray[np.float32] | Sequence[float], k: int = 5) -> list[Recalled]:
        """The k cases of the most similar scenes, the most similar first; fewer where there are not so many.

        Args:
            text: Of the scene, as `foveal.llm_teacher.risk.to_text` puts it.
            numbers: (NUMBERS,), as `foveal.llm_teacher.risk.to_numbers` puts it.
            k: How many.
        """
        if not self._cases or k < 1:
            return []
        apart = np.abs(self._numbers - np.asarray(numbers, np.float32)).sum(1)
        near = set(np.argsort(apart, kind="stable")[: max(self._candidates, k)].tolist())
        found = self._store.similarity_search_with_score(
            text, k=k, filter=lambda document: document.metadata["place"] in near
        )
        return [
            Recalled(self._cases[document.metadata["place"]], float(np.clip(score, 0, 1))) for document, score in found
        ]

    def reflect(self, steps: Sequence[Case], correct: Callable[[Case], tuple[str, str]] | None = None) -> list[Case]:
        """Learn of an episode that crashed: add what was wrong, and what had been right.

        As in DiLu (arXiv 2309.16292), what is corrected is the last decision that was not to brake.

        Args:
            steps: The decisions of the episode in their order; their outcomes do not matter.
            correct: Says of a case which action had been right, and why; None: to brake. Where it says the same action,
                only what was wrong is added.

        Returns:
            The cases added: none where all there was was braking.
        """
        mistake = next((step for step in reversed(steps) if step.action != BRAKED), None)
        if mistake is None:
            return []
        action, why = (BRAKED, "braking earlier would have left more room") if correct is None else correct(mistake)
        learnt = [replace(mistake, outcome="crash", reflection=f"{mistake.action} led to a crash", times=1)]
        if action != mistake.action:
            learnt.append(replace(mistake, action=action, outcome="advised", reflection=plain(why), times=1))
        self.add(*learnt)
        return learnt

    def save(self, path: str | Path) -> Path:
        """Write all cases as JSON, as a whole or not at all."""
        return write_document(path, FORMAT, {"cases": [asdict(case) for case in self._cases]})

    def load(self, path: str | Path) -> None:
        """Add the cases of a file that `save` wrote; it is read as data, whoever wrote it.

        Raises:
            ValueError: for a file that is too large, no JSON, of another format or version, or with a case that is
                none; nothing of it is added then.
        """
        self.add(*read_cases(Path(path)))


def vote(recalled: Sequence[Recalled], actions: Sequence[str]) -> NDArray[np.float32]:
    """What recalled cases say of the actions, without a model: probabilities (A,) that sum to 1.

    A case speaks for its action, or against it where it ended badly, with the weight similarity^2 x (2 - 1 / times):
    however often it is said to have happened it counts for no more than two, so that copies do not outvote others.
    A softmax makes probabilities of the sums. Even, where nothing is recalled.

    Args:
        recalled: By `Memory.recall`.
        actions: Names of the actions that can be taken; cases of other ones are passed over.
    """
    worth = np.zeros(len(actions))
    names = list(actions)
    for case, similarity in recalled:
        if case.action in names:
            worth[names.index(case.action)] += _WORTH[case.outcome] * similarity**2 * (2 - 1 / case.times)
    odds = np.exp(worth - worth.max())
    return (odds / odds.sum()).astype(np.float32)


def read_cases(path: Path) -> list[Case]:
    """The cases of a file, all checked; see `Memory.load`."""
    entries = read_document(path, FORMAT, "memory", MAX_BYTES).get("cases")
    if not isinstance(entries, list) or len(entries) > MAX_CASES:
        raise ValueError(f"{path}: cases must be a list of at most {MAX_CASES}")
    return [_case(entry, f"{path}: case {n}") for n, entry in enumerate(entries)]


def _case(entry: Any, where: str) -> Case:
    names = {field.name for field in fields(Case)}
    if not isinstance(entry, dict) or set(entry) != names:
        raise ValueError(f"{where}: must have the fields {', '.join(sorted(names))} and no others")
    if not isinstance(entry["numbers"], list) or not all(type(one) in (int, float) for one in entry["numbers"]):
        raise ValueError(f"{where}: numbers must be a list of numbers")
    try:
        return Case(**entry)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where}: {error}") from None
