"""Looking at a database that is not copied yet, and offering what to copy of it."""
