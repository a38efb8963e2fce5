"""The text of a new module and of its test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sustainml_orchestrator.core.pipeline import USER_INPUT

_PACKAGE = "sustainml_msgs"

_MODULE = '''"""The module {name}: say here what it finds out."""

{imports}


class {cls}(Module):
    module = "{name}"
    inputs = {inputs}
    output_type = {output}
    parameters = (Setting("factor", 1.0, "what figures are multiplied by", 0.0, 1000.0),)

    def on_start(self):
        """Load models and data here; it is called in each worker process."""
        self.factor = 1.0

    def process(self, task, inputs):
        """Return the output for one task; long work calls `task.check()` now and then."""
        given = inputs.{first}
        self.get_logger().info(f"task {{task.task_id}}: {{type(given).__name__}} received")
{work}

    def configure(self, configuration):
        """Take new settings, return those in force; by `sustainml configure` or `ros2 param`."""
        self.factor = float(configuration.get("factor", self.factor))
        return {{"factor": self.factor}}


main = {cls}.main

if __name__ == "__main__":
    main()
'''

_TEST = '''"""The module {name} does its work."""

from types import SimpleNamespace

{imports}

from {name} import {cls}


def test_it_returns_an_output():
    module = {cls}()
    module.on_start()
    task = SimpleNamespace(task_id="1/1", check=lambda: None, cancelled=False)
    inputs = SimpleNamespace({arguments})
    output = module.process(task, inputs)
    assert isinstance(output, {output})


def test_it_can_be_configured():
    module = {cls}()
    module.on_start()
    assert module.configure({{"factor": 2}}) == {{"factor": 2.0}}
    assert module.configure({{}}) == {{"factor": 2.0}}
'''

#: What `process` returns, by output type.
_WORK = {
    "MLModelMetadata": [
        'words = getattr(given, "problem_definition", "").split()',
        "return MLModelMetadata(keywords=sorted(set(words)))",
    ],
    "AppRequirements": ['return AppRequirements(app_requirements=[f"factor: {self.factor}"])'],
    "HWConstraints": ["return HWConstraints(max_memory_footprint=int(1024 * self.factor))"],
    "MLModel": ['return MLModel(model="my model", target_latency=0.01 * self.factor)'],
    "HWResource": ['return HWResource(hw_description="my board", power_consumption=self.factor)'],
    "CO2Footprint": ["return CO2Footprint(carbon_footprint=0.001 * self.factor)"],
}


@dataclass(frozen=True)
class Template:
    """A new module.

    Attributes:
        output_type: as a pipeline file names it.
        inputs: names of the types of its inputs, by name.
    """

    name: str
    output_type: str
    inputs: Mapping[str, str]

    @property
    def _class(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("_"))

    def module(self) -> str:
        """The file of the module."""
        output = _short(self.output_type)
        work = _WORK.get(self.output_type, [f"return {output}()  # fill in its fields"])
        pairs = ", ".join(f'"{name}": {_short(type_)}' for name, type_ in self.inputs.items())
        return _MODULE.format(
            name=self.name,
            cls=self._class,
            imports="\n".join(
                [
                    *_imports([self.output_type, *self.inputs.values()]),
                    "",
                    "from sustainml_orchestrator.sdk import Module, Setting",
                ]
            ),
            inputs=f"{{{pairs}}}",
            output=output,
            first=next(iter(self.inputs)),
            work="\n".join(f"        {line}" for line in work),
        )

    def test(self) -> str:
        """The file of its test."""
        arguments = ", ".join(f"{name}={_example(name, t)}" for name, t in self.inputs.items())
        return _TEST.format(
            name=self.name,
            cls=self._class,
            imports="\n".join(_imports([self.output_type, *self.inputs.values()])),
            arguments=arguments,
            output=_short(self.output_type),
        )

    def lines(self, required: bool) -> list[str]:
        """Its lines in a pipeline file."""
        return [
            f"{self.name}:",
            f"  inputs: [{', '.join(self.inputs)}]",
            f"  output_type: {self.output_type}",
            f"  executable: {self.name}.py",
            *([] if required else ["  required: false"]),
        ]


def _short(type_name: str) -> str:
    return type_name.rpartition("/")[2]


def _example(name: str, type_name: str) -> str:
    text = 'problem_definition="tell cats from dogs"' if name == USER_INPUT else ""
    return f"{_short(type_name)}({text})"


def _imports(type_names: Iterable[str]) -> list[str]:
    """The import of each package of messages."""
    found: dict[str, set[str]] = {}
    for name in type_names:
        package, _, short = name.rpartition("/msg/")
        found.setdefault(package or _PACKAGE, set()).add(short)
    return [f"from {p}.msg import {', '.join(sorted(names))}" for p, names in sorted(found.items())]
