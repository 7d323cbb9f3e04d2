"""What a struct of settings is made of, read from its annotations."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct


def hints(struct: type[Struct]) -> dict[str, Any]:
    """Each setting's annotation, in order."""
    return get_type_hints(struct, include_extras=True)


def _bare(hint: Any) -> Any:
    """The type inside `Annotated`."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def is_dict(hint: Any) -> bool:
    """Whether the setting maps names to something."""
    return get_origin(_bare(hint)) is dict


def struct_inside(hint: Any) -> type[Struct] | None:
    """The struct that `hint` is, or that it maps names to."""
    inside = get_args(_bare(hint))[1] if is_dict(hint) else _bare(hint)
    return inside if isinstance(inside, type) and issubclass(inside, Struct) else None


def meta(hint: Any) -> Meta | None:
    """The innermost `Meta` that carries a sentence."""
    metas = [item for item in get_args(hint)[1:] if isinstance(item, Meta)]
    return next((meta for meta in metas if meta.description), None)


def sentence(meta: Meta | None) -> str:
    """What it says of the setting."""
    return (meta and meta.description) or ""
