"""MySQL and MariaDB as a source: their catalogue, rights, types, snapshots and binary log."""
