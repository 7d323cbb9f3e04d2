"""Turnout: account-level answers from usage events and your own database."""

__version__ = "0.1.0"
