"""Pages and addresses: the only room that knows HTTP. It decides nothing the rooms below decide."""
