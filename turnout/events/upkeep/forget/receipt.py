"""The receipt of a forgetting: what was erased where, without saying whose it was.

Whoever knows the id can prove that the receipt speaks of it: its hash with the salt, by scrypt.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from turnout.events.upkeep.forget.subjects import Subjects

SALT_BYTES = 16
# scrypt's cost: a moment for one id, too long for trying many.
COST, BLOCK, LANES, HASH_BYTES = 2**14, 8, 1, 32


def make_receipt(
    subjects: Subjects, journal: Mapping[str, int], rows: Mapping[str, int], *, now: datetime
) -> dict[str, Any]:
    """As values."""
    salt = secrets.token_bytes(SALT_BYTES)
    return {
        "forgotten_at": now.isoformat(timespec="seconds"),
        "hash": f"scrypt, n={COST}, r={BLOCK}, p={LANES}, {HASH_BYTES} bytes",
        "salt": salt.hex(),
        "subjects": [
            {"kind": kind, "hash": id_hash(id_, salt)}
            for kind, ids in (
                ("user", subjects.users),
                ("anonymous", subjects.anonymous),
                ("account", subjects.accounts),
            )
            for id_ in ids
        ],
        "journal": dict(journal),
        "warehouse": dict(rows),
    }


def id_hash(id_: str, salt: bytes) -> str:
    """The hash by which a receipt names an id."""
    digest = hashlib.scrypt(id_.encode(), salt=salt, n=COST, r=BLOCK, p=LANES, dklen=HASH_BYTES)
    return digest.hex()


def keep_receipt(folder: Path, receipt: Mapping[str, Any], *, now: datetime) -> Path:
    """Write it down for good; where."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"forget-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}.json"
    with path.open("x", encoding="utf-8") as file:
        json.dump(receipt, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o600)
    return path
