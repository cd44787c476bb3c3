"""What tests have in common: makers of projects, oracles, fuzzers, faults and load."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
"""Where Python finds this package."""

ROOT = TESTS.parent
"""The checkout."""
