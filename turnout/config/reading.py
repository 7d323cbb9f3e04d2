"""Reading the settings: one TOML file, the environment over it."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from turnout.config.checks import check
from turnout.config.settings import Config
from turnout.config.structure import hints, is_dict, struct_inside
from turnout.errors import ConfigError

FILE_NAME = "turnout.toml"
PREFIX = "TURNOUT_"
# Variables with our prefix that are not settings.
NOT_SETTINGS = ("TURNOUT_HOME", "TURNOUT_TRACE", "TURNOUT_TEST_", "TURNOUT_DEMO_", "TURNOUT_BENCH_")


def load_config(home: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read `turnout.toml` in `home` (it may be absent) and the environment over it.

    Raises `ConfigError` with the place, the offending value and the nearest known name.
    """
    home = home.absolute()
    settings = _read_file(home / FILE_NAME)
    _refuse_unknown(settings)
    _overlay(settings, os.environ if environ is None else environ)
    _refuse_missing(settings)
    try:
        config = msgspec.convert(
            {**settings, "home": home}, Config, strict=False, dec_hook=lambda _, path: path
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"{FILE_NAME}: {_place(str(error))}") from None
    check(config)
    return _with_absolute_files(config)


def _with_absolute_files(config: Config) -> Config:
    """Files of secrets are named relative to the home, wherever the process was started."""
    sources = {
        name: msgspec.structs.replace(source, password_file=str(config.home / source.password_file))
        if source.password_file
        else source
        for name, source in config.sources.items()
    }
    return msgspec.structs.replace(config, sources=sources)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None


def _sections(
    settings: Mapping[str, Any], struct: type[Struct], place: str
) -> Iterator[tuple[Mapping[str, Any], type[Struct], str]]:
    """Every section of `settings` with its struct and its place, the outermost first."""
    yield settings, struct, place
    for key, hint in hints(struct).items():
        inner, value = struct_inside(hint), settings.get(key)
        if inner is None or not isinstance(value, dict):
            continue
        named = value if is_dict(hint) else {"": value}
        for name, section in named.items():
            if isinstance(section, dict):
                yield from _sections(section, inner, f"{place}{key}.{name}".rstrip(".") + ".")


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    for section, struct, place in _sections(settings, Config, ""):
        known = {name: hint for name, hint in hints(struct).items() if name != "home"}
        for key in section:
            if key not in known:
                raise ConfigError(
                    f"{FILE_NAME}: there is no setting '{place}{key}'.", hint=_nearest(key, known)
                )


def _refuse_missing(settings: Mapping[str, Any]) -> None:
    for section, struct, place in _sections(settings, Config, ""):
        for field in msgspec.structs.fields(struct):
            if field.required and field.name not in section:
                raise ConfigError(f"{FILE_NAME}: '{place}{field.name}' is missing.")


def _overlay(settings: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Put each `TURNOUT_…` variable over the file's value."""
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable.startswith(NOT_SETTINGS):
            continue
        value = environ[variable]
        name = variable.removeprefix(PREFIX).lower()
        path = _setting_path(name, settings)
        if path is None and name.endswith("_file"):
            path = _setting_path(name.removesuffix("_file"), settings)
            value = _read_secret(variable, value)
        if path is None:
            raise ConfigError(
                f"The environment variable {variable} names no setting.",
                hint=_nearest(name, {"_".join(path): None for path in _all_paths(settings)}),
            )
        section = settings
        for step in path[:-1]:
            section = section.setdefault(step, {})
        section[path[-1]] = value


def _setting_path(name: str, settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    for path in _all_paths(settings):
        if "_".join(path).lower() == name:
            return path
    return None


def _all_paths(settings: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Every plain setting that a variable may name; sources only as the file names them."""
    for section, hint in hints(Config).items():
        inner = struct_inside(hint)
        if inner is None:
            continue
        if is_dict(hint):
            for name in settings.get(section, {}):
                for key in ("url", "password_file", "schema", "every_s"):
                    yield section, name, key
                for key in ("webhook", "secret"):
                    yield section, name, "alarm", key
        else:
            for key, deeper in hints(inner).items():
                for rest in getattr(struct_inside(deeper), "__struct_fields__", ("",)):
                    yield tuple(filter(None, (section, key, rest)))


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"{variable} names {path}, which cannot be read: {error.strerror}."
        ) from None


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else f"Known here: {', '.join(sorted(known))}."


def _place(message: str) -> str:
    """The path a validation message ends with, put before it in our own spelling."""
    text, _, path = message.partition(" - at `$.")
    return f"{path.rstrip('`')}: {text}." if path else f"{text}."
