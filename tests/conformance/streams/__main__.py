"""The long form: `python -m tests.conformance.streams 200` plays so many examples per mode."""

from __future__ import annotations

import os
import sys

import pytest

if __name__ == "__main__":
    os.environ["TURNOUT_TEST_STREAMS"] = (sys.argv[1:] or ["100"])[0]
    here = "tests/conformance/test_streams.py"
    sys.exit(pytest.main([here, "-x", "--timeout=0", "-p", "no:cacheprovider"]))
