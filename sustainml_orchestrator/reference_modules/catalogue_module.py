"""What the modules that read models and devices share: the setting `catalogue`."""

from __future__ import annotations

import os
from abc import abstractmethod
from copy import copy
from pathlib import Path
from typing import Any

from sustainml_orchestrator.reference_modules import catalog, overlays
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.measured import own
from sustainml_orchestrator.reference_modules.estimate.models import ModelCatalogue
from sustainml_orchestrator.sdk import Module, ModuleError

#: The name of the setting.
CATALOGUE = "catalogue"


class CatalogueModule(Module):
    """A module that reads its catalogues again whenever the setting `catalogue` is set."""

    #: Files and folders over the published catalogues.
    paths: tuple[Path, ...] = ()
    #: All that `apply` changes, in attributes that are replaced, never changed in place.
    settings: Any

    def on_start(self) -> None:
        """Read the catalogues."""
        self.read_catalogues()

    @abstractmethod
    def read_catalogues(self) -> None:
        """Build what depends on the catalogues, with those of `paths` over them."""

    @abstractmethod
    def apply(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Answer a query, or set the other settings and return all.

        Raises:
            ValueError: it is refused; nothing has changed.
        """

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Set `catalogue`, a text or a list of files and folders, and the other settings.

        Raises:
            ModuleError: it is refused; nothing has changed.
        """
        rest = {key: value for key, value in configuration.items() if key != CATALOGUE}
        before = {**vars(self), "settings": copy(self.settings)}
        try:
            if CATALOGUE in configuration:
                self._take(_paths(configuration[CATALOGUE]))
            answer = self.apply(rest)
        except BaseException as error:
            vars(self).clear()
            vars(self).update(before)
            if isinstance(error, (ValueError, catalog.CatalogError)):
                raise ModuleError(str(error)) from error
            raise
        if "query" in configuration:
            return answer
        return {**answer, CATALOGUE: os.pathsep.join(map(str, self.paths))}

    def load(self, name: str) -> dict[str, Any]:
        """A catalogue with the overlays of this module."""
        return catalog.load(name, self.paths)

    def read_models(self) -> ModelCatalogue:
        """The models."""
        return ModelCatalogue(self.load("models"))

    def read_devices(self) -> DeviceCatalogue:
        """The devices, with the measurements of one's own."""
        return DeviceCatalogue(
            self.load("hardware"), own(self.load("measurements")["measurements"])
        )

    def _take(self, paths: tuple[Path, ...]) -> None:
        """Read all again: a file may have changed under the same path."""
        self.paths = paths
        try:
            self.read_catalogues()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            names = ", ".join(map(str, paths)) or "as published"
            raise ValueError(
                f"catalogue {names} does not fit: {catalog.mistake(error)}; "
                "`sustainml catalogue check FILE` says whether a file does"
            ) from error


def _paths(value: Any) -> tuple[Path, ...]:
    """Files and folders of a setting.

    Raises:
        ValueError: it is neither a text nor a list of texts, or a place does not exist.
    """
    if isinstance(value, str):
        found = overlays.named(value)
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        found = tuple(Path(each).expanduser() for each in value if each)
    else:
        raise ValueError(f"catalogue is {value!r}; give files or folders as a text or a list")
    for path in found:
        if not path.exists():
            raise ValueError(f"catalogue {path} does not exist; give a file or a folder that does")
    return tuple(path.absolute() for path in found)
