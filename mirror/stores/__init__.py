"""Adapters that fulfil `mirror.ports.Store`: in memory (the reference), in a directory.

Each passes one suite, `tests/compliance`.
"""
