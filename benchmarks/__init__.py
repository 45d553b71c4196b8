"""Measures wheelkeep side by side with its peers, in front of one upstream, on one machine.

It promises figures that can be compared, not figures that are high: every number stands beside the number that a peer gave in
the same minutes, and what counts is the ratio. `python -m benchmarks` runs it; README.md says how to read it.
"""
