"""Writes the reference pages that follow from the code: settings and commands.

`make docs` runs it; a test fails while a page differs from what it would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import typer
from msgspec import Meta, Struct
from msgspec.structs import fields

from turnout import cli, config

FOLDER = Path(__file__).parent
SECTIONS: dict[str, type[Struct]] = {
    "web": config.Web,
    "collector": config.Collector,
    "journal": config.Journal,
    "warehouse": config.Warehouse,
    "clips": config.Clips,
    "metrics": config.Metrics,
    "identity.membership": config.Membership,
    "sources.<name>": config.Source,
    "sources.<name>.alarm": config.Alarm,
    "sources.<name>.tables.<table>": config.TableSelection,
}


def pages() -> dict[Path, str]:
    """Each generated page with its text."""
    return {FOLDER / "settings.md": settings_page(), FOLDER / "commands.md": commands_page()}


def settings_page() -> str:
    """Every setting with its default and its sentence."""
    lines = [
        "# Settings",
        "",
        "One file, `turnout.toml` in the home folder; none of it is needed to start. A variable of",
        "the environment wins over the file: `TURNOUT_WEB_PORT=9000` is `port` of `[web]`. Any of",
        "them may name a file instead, for secrets:",
        "`TURNOUT_SOURCES_APP_URL_FILE=/run/secrets/app`. An unknown setting is refused with the",
        "nearest known name. `turnout check` prints what is in force.",
        "",
    ]
    for name, struct in SECTIONS.items():
        lines += [f"## `[{name}]`", "", (struct.__doc__ or "").strip(), ""]
        lines += ["| setting | default | |", "|---|---|---|"]
        lines += [f"| `{f.name}` | {_default(f)} | {_sentence(f.type)} |" for f in _plain(struct)]
        lines.append("")
    return "\n".join(lines)


def commands_page() -> str:
    """Every command with its arguments, as `--help` says it."""
    root = typer.main.get_command(cli.app)
    lines = ["# Commands", ""]
    lines += [_help_of(root).strip(), ""]
    for name, command in sorted(_commands(root, "turnout")):
        lines += [f"## `{name}`", "", _help_of(command), ""]
        parameters = [p for p in command.params if p.name != "help"]
        if parameters:
            lines += ["| | default | |", "|---|---|---|"]
            lines += [_parameter(parameter) for parameter in parameters]
            lines.append("")
    lines += ["## Exit codes", "", "| code | when |", "|---|---|", "| 0 | it worked |"]
    lines += ["| 1 | it ran, and the answer is no |"]
    lines += [f"| {code} | {(family.__doc__ or '').strip()} |" for family, code in cli.EXIT_CODES]
    lines += ["| 130 | stopped with Ctrl-C |", ""]
    return "\n".join(lines)


def main() -> None:
    """Write every page."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def _plain(struct: type[Struct]) -> list[Any]:
    return [field for field in fields(struct) if field.name not in ("tables", "alarm")]


def _default(field: Any) -> str:
    return "needed" if field.required else f"`{field.default!r}`"


def _sentence(hint: Any) -> str:
    return next(m.description for m in get_args(hint)[1:] if isinstance(m, Meta) and m.description)


def _commands(command: Any, name: str) -> list[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return [(name, command)]
    return [pair for key, item in inner.items() for pair in _commands(item, f"{name} {key}")]


def _help_of(command: Any) -> str:
    return str(command.help or "").strip()


def _parameter(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    name = parameter.opts[0] if is_option else str(parameter.name).upper()
    default = "" if parameter.default in (None, False) else f"`{parameter.default}`"
    return f"| `{name}` | {default} | {getattr(parameter, 'help', None) or ''} |"


if __name__ == "__main__":
    main()
