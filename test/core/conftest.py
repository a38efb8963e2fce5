"""The bare core, driven by hand."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from driver import Driver


@pytest.fixture
def core() -> Driver:
    """A core whose modules are all up."""
    driver = Driver()
    driver.bring_up()
    return driver
