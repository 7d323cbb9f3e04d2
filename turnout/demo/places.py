"""Where the pretend companies and people are, with their clocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Place:
    """A city, and what a browser there would say about itself."""

    city: str
    country: str
    zone_name: str
    locale: str
    weight: int

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone_name)


PLACES = (
    Place("Berlin", "DE", "Europe/Berlin", "de-DE", 9),
    Place("Hamburg", "DE", "Europe/Berlin", "de-DE", 5),
    Place("Zürich", "CH", "Europe/Zurich", "de-CH", 3),
    Place("Paris", "FR", "Europe/Paris", "fr-FR", 6),
    Place("London", "GB", "Europe/London", "en-GB", 9),
    Place("Amsterdam", "NL", "Europe/Amsterdam", "nl-NL", 4),
    Place("Stockholm", "SE", "Europe/Stockholm", "sv-SE", 3),
    Place("Nairobi", "KE", "Africa/Nairobi", "en-KE", 2),
    Place("Bengaluru", "IN", "Asia/Kolkata", "en-IN", 5),
    Place("Singapore", "SG", "Asia/Singapore", "en-SG", 3),
    Place("Tokyo", "JP", "Asia/Tokyo", "ja-JP", 4),
    Place("Sydney", "AU", "Australia/Sydney", "en-AU", 4),
    Place("Auckland", "NZ", "Pacific/Auckland", "en-NZ", 2),
    Place("São Paulo", "BR", "America/Sao_Paulo", "pt-BR", 4),
    Place("New York", "US", "America/New_York", "en-US", 12),
    Place("Chicago", "US", "America/Chicago", "en-US", 6),
    Place("San Francisco", "US", "America/Los_Angeles", "en-US", 10),
    Place("Toronto", "CA", "America/Toronto", "en-CA", 5),
)

# One day, many people sign up from this city: the burst that a clip looks for.
BURST_PLACE = Place("Lisbon", "PT", "Europe/Lisbon", "pt-PT", 3)
EVERYWHERE = (*PLACES, BURST_PLACE)
