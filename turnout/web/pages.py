"""Templates: every value is escaped, and a name that is missing is an error, not a blank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from turnout.clips.formats import FORMATS
from turnout.clips.period import WORDS
from turnout.web import address, words
from turnout.web.assets import asset_address, has_asset
from turnout.web.cells import table_head, table_rows

FOLDER = Path(__file__).parent / "templates"


class Pages:
    """The pages of the site, as text."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            ago=words.ago,
            clock=words.clock,
            count=words.count,
            duration=words.duration,
            second=words.second,
            until=words.until,
        )
        self._environment.globals.update(
            asset=asset_address,
            has_asset=has_asset,
            formats=list(FORMATS.values()),
            periods=WORDS,
            clip_address=address.clip_address,
            link_address=address.link_address,
            table_head=table_head,
            table_rows=table_rows,
            share=words.share,
        )

    def render(self, template: str, **values: Any) -> str:
        """The page `template` with `values`, as HTML."""
        return self._environment.get_template(template).render(**values)
