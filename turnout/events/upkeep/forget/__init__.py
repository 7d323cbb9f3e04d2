"""Forgetting: everything that names a user, an account or a device, erased wherever it lies."""

from turnout.events.upkeep.forget.forget import forget

__all__ = ["forget"]
