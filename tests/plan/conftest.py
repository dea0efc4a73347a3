"""Lets the tests here use the hand-made scenes of the reasoner's tests."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("maps", "reason", "plan")]  # tests are no package
