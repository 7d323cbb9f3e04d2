"""What has arrived and what is there, read from the warehouse for the pages."""
