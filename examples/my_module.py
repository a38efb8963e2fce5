"""A module in 20 lines: estimates latency and power from the model that was chosen.

Run it with ``python examples/my_module.py`` in place of the reference module hw_resources.
"""

from sustainml_msgs.msg import HWResource

from sustainml_orchestrator.sdk import Module, ModuleError


class MyHardware(Module):
    module = "hw_resources"

    def on_start(self):
        self.watts = 15.0

    def process(self, task, inputs):
        model = inputs.ml_model_provider
        if not model.model:
            raise ModuleError("no model was proposed; relax the constraints")
        return HWResource(hw_description="my board", power_consumption=self.watts, latency=0.02)

    def configure(self, configuration):
        self.watts = float(configuration.get("watts", self.watts))
        return {"watts": self.watts}


main = MyHardware.main

if __name__ == "__main__":
    main()
