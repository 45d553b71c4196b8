"""wheelkeep: the door. The command line reads settings, wires the product and runs it."""

__version__ = "0.1.0"
