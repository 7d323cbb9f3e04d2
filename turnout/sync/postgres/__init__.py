"""PostgreSQL as a source: its catalogue, rights, types, snapshots and changes."""
