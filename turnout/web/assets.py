"""The few static files: read once, addressed by their content, kept by browsers for a year."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from turnout.errors import NotFound

FOLDER = Path(__file__).parent / "static"
# Put there when the package is built, where it could be had.
BUNDLED = Path(__file__).parent / "bundled"
# The framework adds the charset to whatever is text.
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file and the short name of its content."""

    body: bytes
    media_type: str
    version: str


@cache
def assets() -> dict[str, Asset]:
    """Every static file by name."""
    folders = [folder for folder in (FOLDER, BUNDLED) if folder.is_dir()]
    return {
        path.name: _read(path)
        for folder in folders
        for path in folder.iterdir()
        if path.suffix in MEDIA_TYPES
    }


def has_asset(name: str) -> bool:
    """Whether there is such a static file: what is bundled may be missing."""
    return name in assets()


def asset_address(name: str) -> str:
    """Where a page finds the static file `name`; another address whenever its content changes."""
    return f"/static/{name}?v={assets()[name].version}"


@get("/static/{name:str}")
async def show_asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A static file."""
    return _asset(name, request.query_params.get("v"))


@get("/favicon.ico")
async def show_favicon() -> Response[bytes]:
    """Browsers ask for this address whatever a page says."""
    return _asset("favicon.svg", None)


def _asset(name: str, version: str | None) -> Response[bytes]:
    asset = assets().get(name)
    if asset is None:
        raise NotFound
    return Response(
        asset.body,
        status_code=HTTP_200_OK,
        media_type=asset.media_type,
        headers={"Cache-Control": FOR_EVER if version == asset.version else "no-cache"},
    )


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    version = hashlib.sha256(body).hexdigest()[:12]
    return Asset(body, MEDIA_TYPES[path.suffix], version)
