"""Texts as vectors, without a model: hashed words."""

from __future__ import annotations

import hashlib
import re

import numpy as np
from langchain_core.embeddings import Embeddings


class HashedEmbeddings(Embeddings):
    """The words of a text and where they stand, hashed into `size` places of signed counts, as a unit vector.

    A line ``name: one, other`` gives the features ``name: one`` and ``name: other``: what lies ahead is not mixed up
    with what lies behind. Cosines are then about the share of features that two texts have in common.

    Source: feature hashing, Weinberger et al., "Feature hashing for large scale multitask learning" (ICML 2009), eq. 1.
    """

    def __init__(self, size: int = 256) -> None:
        if size < 1:
            raise ValueError(f"size={size}: must be at least 1")
        self.size = size

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Unit vectors (size,) of texts."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The unit vector (size,) of a text; zeros of an empty one."""
        vector = np.zeros(self.size)
        for line in text.splitlines():
            name, _, rest = line.rpartition(":")
            for part in re.split(r",\s*", rest.strip()):
                if part:
                    digest = hashlib.blake2b(f"{name}: {part}".encode(), digest_size=8).digest()
                    number = int.from_bytes(digest, "little")
                    vector[(number >> 1) % self.size] += 1 if number & 1 else -1
        length = float(np.linalg.norm(vector))
        return (vector / length if length else vector).tolist()
