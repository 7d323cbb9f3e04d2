"""All settings in force, safe to print."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from turnout.config.settings import Config
from turnout.config.structure import hints, meta, sentence


def settings_in_force(config: Config) -> Iterator[tuple[str, str, str]]:
    """Every setting as (dotted name, value, sentence), secrets hidden."""
    yield from _walk(config, "")


def hide_password(url: str) -> str:
    """`url` with its password replaced, safe to print."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    if ":" not in user:
        return url
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:•••@{place}"))


def _walk(value: Struct, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, hint in hints(type(value)).items():
        if name == "home":
            continue
        item = getattr(value, name)
        dotted = f"{prefix}{name}"
        if isinstance(item, Struct):
            yield from _walk(item, f"{dotted}.")
        elif isinstance(item, dict):
            for key, inner in item.items():
                if isinstance(inner, Struct):
                    yield from _walk(inner, f"{dotted}.{key}.")
                else:
                    yield f"{dotted}.{key}", str(inner), sentence(meta(hint))
        else:
            said = meta(hint)
            secret = bool(said and said.extra and said.extra.get("secret"))
            yield dotted, _hidden(item) if secret else str(item), sentence(said)


def _hidden(secret: str | list[str]) -> str:
    if isinstance(secret, list):
        return str([_hidden(each) for each in secret])
    return hide_password(secret) if "://" in secret else "•••" * bool(secret)
