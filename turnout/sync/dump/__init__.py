"""Files as a source: what pg_dump writes, CSV and Parquet, through the same selection."""
