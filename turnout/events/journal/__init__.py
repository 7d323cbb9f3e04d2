"""The journal: what is acknowledged is here, and the door's index of what it has seen."""
