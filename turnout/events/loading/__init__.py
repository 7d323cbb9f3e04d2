"""From the journal into the warehouse: lines are shaped set by set and written exactly once."""
