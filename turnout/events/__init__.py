"""Usage events: from bytes at the door to rows in the warehouse.

`collector` accepts and `journal` keeps; `load` and `shape` turn what was kept into rows.
"""
