"""What is done to events once they are kept: imports, replays, new types, forgetting."""
