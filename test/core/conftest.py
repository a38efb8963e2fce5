"""The bare core, driven by hand."""

import pytest
from support.driver import Driver


@pytest.fixture
def core() -> Driver:
    """A core whose modules are all up."""
    driver = Driver()
    driver.bring_up()
    return driver
