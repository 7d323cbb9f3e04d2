"""Every setting, its default and its sentence: one TOML file, the environment over it.

`load_config` reads both once, at the start of a process. Nothing else reads the environment.
A secret may also come from a file: `TURNOUT_SOURCES_APP_URL_FILE=/run/secrets/app`.
"""

from __future__ import annotations

from turnout.config.address import effective_url, followers_of, put_password, without_password
from turnout.config.listing import hide_password, settings_in_force
from turnout.config.reading import FILE_NAME, load_config
from turnout.config.settings import (
    Clips,
    Collector,
    Config,
    Identity,
    Journal,
    Membership,
    Metrics,
    Warehouse,
    Web,
)
from turnout.config.source import Alarm, Source, TableSelection

__all__ = [
    "FILE_NAME",
    "Alarm",
    "Clips",
    "Collector",
    "Config",
    "Identity",
    "Journal",
    "Membership",
    "Metrics",
    "Source",
    "TableSelection",
    "Warehouse",
    "Web",
    "effective_url",
    "followers_of",
    "hide_password",
    "load_config",
    "put_password",
    "settings_in_force",
    "without_password",
]
