"""Modules that are made once."""

from __future__ import annotations

import pytest

from sustainml_orchestrator.reference_modules.app_requirements import AppRequirementsModule


@pytest.fixture(scope="session")
def reader() -> AppRequirementsModule:
    module = AppRequirementsModule()
    module.on_start()
    return module
