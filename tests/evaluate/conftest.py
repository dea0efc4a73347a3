"""The maker of hand-made drives, for every test of judgement."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

from made_drives import Made


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)
