"""Made-up names: for companies, for people, for what companies do."""

from __future__ import annotations

import random
import unicodedata

# A word on each line would be three screens.
# fmt: off
FIRST_WORDS = (
    "Amber", "Arc", "Aspen", "Birch", "Bright", "Cedar", "Cobalt", "Copper", "Coral",
    "Crisp", "Delta", "Dune", "Ember", "Fern", "Field", "Flint", "Garnet", "Granite",
    "Harbor", "Hazel", "Indigo", "Iron", "Ivory", "Juniper", "Kestrel", "Lark", "Linden",
    "Lumen", "Maple", "Meadow", "Mint", "North", "Oak", "Onyx", "Opal", "Orbit", "Pebble",
    "Pine", "Plain", "Quartz", "Quill", "Raven", "Reed", "Ridge", "River", "Rowan",
    "Saffron", "Sable", "Silver", "Slate", "Spruce", "Sterling", "Stone", "Summit", "Tidal",
    "Timber", "Umber", "Vale", "Velvet", "Violet", "Willow", "Wren", "Yarrow",
)
SECOND_WORDS = (
    "Analytics", "Bakery", "Bicycles", "Books", "Brewing", "Capital", "Clinics", "Coffee",
    "Construction", "Couriers", "Dental", "Devices", "Electric", "Energy", "Farms", "Films",
    "Foods", "Freight", "Furniture", "Games", "Glass", "Health", "Homes", "Hotels",
    "Instruments", "Labs", "Law", "Learning", "Logistics", "Markets", "Media", "Mills",
    "Mobility", "Networks", "Optics", "Outdoors", "Paper", "Pharma", "Printing",
    "Properties", "Rail", "Records", "Recruiting", "Robotics", "Sails", "Schools",
    "Security", "Software", "Sports", "Steel", "Studios", "Supply", "Systems", "Tailors",
    "Telecom", "Textiles", "Tools", "Toys", "Travel", "Vets", "Watches", "Works",
)
INDUSTRIES = (
    "Software",
    "Retail",
    "Manufacturing",
    "Health",
    "Finance",
    "Education",
    "Media",
    "Logistics",
    "Hospitality",
    "Public sector",
)
GIVEN_NAMES = (
    "Ada", "Aiko", "Alba", "Amara", "Anton", "Arjun", "Ayla", "Bela", "Bram", "Carla",
    "Chidi", "Clara", "Daan", "Dalia", "Dario", "Devi", "Ebba", "Elif", "Emil", "Esra",
    "Femi", "Finn", "Freya", "Gita", "Hana", "Hugo", "Ida", "Imani", "Ines", "Isak", "Jana",
    "Jonas", "Juna", "Kaito", "Kofi", "Lara", "Leif", "Lena", "Liv", "Luca", "Maeve",
    "Malik", "Mara", "Mateo", "Mei", "Mika", "Mina", "Nadia", "Nia", "Nils", "Noor", "Olu",
    "Omar", "Petra", "Priya", "Rafa", "Ravi", "Rosa", "Runa", "Sami", "Sana", "Selma",
    "Sofia", "Tara", "Theo", "Tomas", "Uma", "Vera", "Viggo", "Wanda", "Yara", "Yusuf",
    "Zoe",
)
FAMILY_NAMES = (
    "Abebe", "Andersen", "Araujo", "Bakker", "Banerjee", "Becker", "Berg", "Bianchi",
    "Castro", "Chen", "Cohen", "Costa", "Dahl", "Diallo", "Dubois", "Eriksen", "Fischer",
    "Fontaine", "Garcia", "Haddad", "Hansen", "Hayashi", "Ito", "Ivanova", "Jansen",
    "Kamau", "Kaya", "Keller", "Kim", "Klein", "Kovac", "Kumar", "Lindgren", "Lopez",
    "Maas", "Martin", "Mendes", "Meyer", "Mbeki", "Moreau", "Mori", "Murphy", "Nakamura",
    "Nguyen", "Nowak", "Obi", "Okafor", "Olsen", "Park", "Patel", "Pereira", "Petit",
    "Reyes", "Ricci", "Rossi", "Sato", "Schmid", "Sharma", "Silva", "Singh", "Smit",
    "Suzuki", "Tanaka", "Tran", "Usman", "Vargas", "Vogel", "Wagner", "Weber", "Wolf",
    "Yamada", "Yilmaz", "Zhang",
)
# fmt: on


def company_name(random_: random.Random, number: int) -> str:
    """A name no other company has: the second half of it follows from the company's number."""
    first = FIRST_WORDS[(number * 29) % len(FIRST_WORDS)]
    second = SECOND_WORDS[(number * 37 + number // len(FIRST_WORDS)) % len(SECOND_WORDS)]
    return f"{first} {second}" + random_.choice(("", "", "", " Group", " & Co", " GmbH", " Ltd"))


def person_name(random_: random.Random) -> str:
    """A given name and a family name."""
    return f"{random_.choice(GIVEN_NAMES)} {random_.choice(FAMILY_NAMES)}"


def email_address(full_name: str, company: str, number: int) -> str:
    """An address at a domain that can never exist, different for every `number`."""
    local = _plain(full_name).replace(" ", ".")
    domain = _plain(company).replace(" & ", "-").replace(" ", "-")
    return f"{local}.{number}@{domain}.example"


def _plain(text: str) -> str:
    stripped = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return stripped.lower()
