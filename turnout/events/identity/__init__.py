"""Who did it, and for which company: identities and memberships, learned from the events.

Each load tells `Identity` its new calls, which adds what they say to a few derived tables; views
over those and over the rows as they came give the answers. Rows of events are never rewritten, so
what was learned wrongly can be unlearned. Whatever the order in which calls arrive, and however
they are cut into loads, the tables become the same.
"""

from turnout.events.identity.identity import Identity

__all__ = ["Identity"]
