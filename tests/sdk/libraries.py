"""Other people's libraries, each run in a process of its own with its own source and schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sdk.install import CLIENTS, NODE
from tests.sdk.proxy import Proxy

SCRIPTS = Path(__file__).parent / "clients"
# Small batches, so that there are enough requests for every mishap.
SMALL = {"upload_size": 10}
PATIENCE_S = 90


@dataclass(frozen=True)
class Library:
    """`slug` is its source and schema here; `name` what it is imported by."""

    slug: str
    name: str
    # The folder in .clients/python; Segment's own is among Turnout's requirements.
    folder: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def command(self, url: str, key: str) -> list[str]:
        """Makes every call of `calls.json` against `url`; ends with 0 when nothing failed."""
        if self.is_node:
            return [str(NODE), str(SCRIPTS / "send.cjs"), self.name, url, key]
        script = str(SCRIPTS / "send.py")
        return [sys.executable, script, self.name, url, key, json.dumps(SMALL | self.options)]

    @property
    def is_node(self) -> bool:
        return not self.name.endswith(".client")

    def environment(self) -> dict[str, str]:
        folder = str(CLIENTS / "python" / self.folder) if self.folder else ""
        return {**os.environ, "PYTHONPATH": folder}


LIBRARIES = (
    Library("segment_python", "segment.analytics.client"),
    Library("segment_python_gzip", "segment.analytics.client", options={"gzip": True}),
    Library("segment_python_old", "analytics.client", "analytics-python"),
    Library("rudderstack_python", "rudderstack.analytics.client", "rudderstack"),
    Library("customerio_python", "customerio.analytics.client", "customerio"),
    Library("segment_node", "@segment/analytics-node"),
    Library("segment_node_old", "analytics-node"),
    Library("rudderstack_node", "@rudderstack/rudder-sdk-node"),
    Library("customerio_node", "@customerio/cdp-analytics-node"),
)


class Delivery:
    """One library, sending through a network of its own."""

    def __init__(self, library: Library, key: str, proxy: Proxy) -> None:
        self.proxy = proxy
        self._process = subprocess.Popen(
            library.command(proxy.url, key),
            env=library.environment(),
            cwd=CLIENTS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self) -> tuple[int, str]:
        """(exit code, what it printed), once all it sent is settled."""
        said, _ = self._process.communicate(timeout=PATIENCE_S)
        self.proxy.settled()
        return self._process.returncode, said

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
