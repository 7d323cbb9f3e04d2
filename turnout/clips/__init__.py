"""Saved queries with an address: run in a sandbox on a read-only follower, answered from a cache.

User SQL never meets the writer. This package imports nothing by itself, because the sandboxed
worker lives in it and starts fast.
"""
