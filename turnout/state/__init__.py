"""Our own small database: people, keys, clips, links. Never the company's data."""

from turnout.state.database import State, open_state
from turnout.state.migration import migrate

__all__ = ["State", "migrate", "open_state"]
