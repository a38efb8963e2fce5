"""Reference module: the memory limit and the hardware that a problem demands.

A transparent estimate, meant to be replaced by a reader of one's own. What `extra_data` says wins:
`hardware_required` (a device, an alias or a class of the catalogue of devices, or a list of them)
and `max_memory_footprint` (MiB); else the text is searched. Several names
mean that any of them will do; a name that is unknown passes untouched. The limit is in whole MiB,
rounded up; `max_memory_footprint_mib` in the output's extra_data is exact.
"""

from __future__ import annotations

from typing import Any

from sustainml_msgs.msg import HWConstraints

from sustainml_orchestrator.reference_modules.catalogue_module import CatalogueModule
from sustainml_orchestrator.reference_modules.estimate.devices import (
    DeviceCatalogue,
    not_in_catalogue,
)
from sustainml_orchestrator.reference_modules.parameters import TABLE
from sustainml_orchestrator.reference_modules.text.hardware import HardwareWords
from sustainml_orchestrator.reference_modules.text.problem import (
    Problem,
    UnclearError,
    write_object,
)
from sustainml_orchestrator.reference_modules.text.settings import HardwareSettings
from sustainml_orchestrator.sdk import ModuleError


class HWConstraintsModule(CatalogueModule):
    """Reads the constraints; none is a good answer, too."""

    module = "hw_constraints"
    parameters = TABLE["hw_constraints"]

    def on_start(self) -> None:
        """Read the names of hardware."""
        self.settings = HardwareSettings()
        super().on_start()

    def read_catalogues(self) -> None:
        """Read the names of hardware."""
        devices = DeviceCatalogue(self.load("hardware"))
        self.words = HardwareWords(self.load("constraints"), devices)

    def process(self, task: Any, inputs: Any) -> HWConstraints:
        """Read the constraints; ModuleError for values that mean nothing."""
        try:
            found = self.settings.complete(self.words.read(Problem.read(inputs.user_input)))
        except UnclearError as answer:
            raise ModuleError(str(answer)) from answer
        about = {
            "max_memory_footprint_mib": found.memory_mib,
            "memory_kind": found.memory_kind,
            "max_flash_mib": found.flash_mib,
            "devices": found.devices,
            "hardware_from": found.origin,
            "assumptions": list(found.assumptions),
            "not_in_catalogue": [
                not_in_catalogue(name, self.words.devices.nearest(name, device_class))
                for name, device_class in found.unknown
            ],
        }
        return HWConstraints(
            max_memory_footprint=found.whole_mib,
            hardware_required=list(found.hardware),
            extra_data=write_object(about),
        )

    def apply(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Set `default_hardware` and `default_memory` (MiB), or ask {"query": "hardwares"}."""
        return self.settings.apply(configuration, self.words)


main = HWConstraintsModule.main

if __name__ == "__main__":
    main()
