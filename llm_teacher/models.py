"""Chat models by name or address; their keys come from the environment, and go to their address alone."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

API_KEY = "FOVEAL_API_KEY"
"""The environment variable with the key for a model at a base URL; a provider's own key is not sent there."""


def chat_model(
    name: str, *, base_url: str | None = None, timeout_s: float = 30.0, max_tokens: int = 500
) -> BaseChatModel:
    """A LangChain chat model by name, which answers the same question the same way as far as it can.

    Keys come from the environment alone: a provider's from its own variable, such as ``OPENAI_API_KEY``; for a base URL
    from `API_KEY`, if it needs one.

    Args:
        name: As LangChain's ``init_chat_model`` takes it, such as ``openai:gpt-4o``; at a base URL the server's name.
        base_url: Of an OpenAI-compatible server, such as ``http://127.0.0.1:8080/v1``.
        timeout_s: For a call, s.
        max_tokens: Of a reply.

    Raises:
        ValueError: for an unknown model, one whose key is missing, or a URL that is none or has a password in it.
        ImportError: where the provider's package is not installed.
    """
    from langchain.chat_models import init_chat_model

    options: dict[str, Any] = {"temperature": 0, "timeout": timeout_s, "max_tokens": max_tokens, "max_retries": 0}
    if base_url is not None:
        import httpx

        # No proxy and no redirect: prompts and key go to this address and to no other. No connection is kept open: a
        # model has no end at which it would be closed.
        limits = httpx.Limits(max_keepalive_connections=0)
        client = httpx.Client(trust_env=False, follow_redirects=False, timeout=timeout_s, limits=limits)
        options |= {"model_provider": "openai", "base_url": checked_url(base_url), "http_client": client}
        options["api_key"] = os.environ.get(API_KEY) or "none"
        name = name.removeprefix("openai:")
    try:
        model: BaseChatModel = init_chat_model(name, **options)
    except ImportError:
        raise
    except Exception as error:  # whatever a provider's class raises; its message might quote what it was given
        told = "its key is not in the environment" if "api_key" in str(error) else "name it as in openai:gpt-4o"
        raise ValueError(f"cannot make the model {name!r} ({type(error).__name__}): {told}") from None
    return model


def checked_url(url: str) -> str:
    """A base URL that may be shown to anybody.

    Raises:
        ValueError: for one that is no web address, or holds a name, a password or a query.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("base URL: must be like http://127.0.0.1:8080/v1, without a name, a password or a query")
    return url
