"""The secrets of an installation: share links are derived from one, forms are signed with it.

Each lives in a file of its own beside the data, never in the configuration, never in a default.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from turnout.errors import ConfigError, HomeUnusable

FILE_NAME = "secret.key"
# Hashes of copied columns are made with this one, so that it can be changed by itself.
PRIVACY_FILE_NAME = "privacy.key"
SECRET_BYTES = 32


# What ends when a key is lost and made anew.
ENDS = {
    FILE_NAME: "Deleting it makes a new one and ends all share links.",
    PRIVACY_FILE_NAME: "Deleting it makes a new one: columns that are hashed are copied whole.",
}


def secret_key(data_folder: Path, file_name: str = FILE_NAME) -> bytes:
    """The 32 secret bytes of a file in `data_folder`, made on the first call with mode 0600.

    Two processes that start together get the same bytes. Raises `ConfigError` when the file
    holds anything but 32 bytes, `HomeUnusable` when it cannot be read or made.
    """
    path = data_folder / file_name
    try:
        if not path.exists():
            _make(path)
        secret = path.read_bytes()
    except OSError as error:
        raise HomeUnusable(f"{path} cannot be used: {error.strerror}.") from None
    if len(secret) != SECRET_BYTES:
        raise ConfigError(
            f"{path} holds {len(secret)} bytes; a secret has {SECRET_BYTES}.",
            hint=f"Restore it from a backup. {ENDS.get(file_name, '')}".rstrip(),
        )
    return secret


def _make(path: Path) -> None:
    """Write a whole file aside, then give it its name unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    except FileExistsError:
        pass  # the other process's secret is as good as ours, and both must use one
    finally:
        aside.unlink()
