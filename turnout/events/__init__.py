"""Usage events: from bytes at the door to rows in the warehouse.

`door` judges what comes in, `journal` keeps it, `loading` turns what was kept into rows, and
`identity` says whose they are. `upkeep` mends what is stored, `overview` reads it for the pages.
"""
