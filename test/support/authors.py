"""Modules whose authors misbehave in every way there is. Run: python authors.py CLASS [ROS args].

What ``Playful`` does with a task stands in the task's ``modality``.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sustainml_msgs.msg import AppRequirements, HWConstraints, MLModel

from sustainml_orchestrator.sdk import ErrorCode, Module, ModuleError, Setting


def hold_the_interpreter(seconds: float) -> None:
    """Sleep in C without letting any other thread of this process run."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


#: Processes that `do_spawn` starts.
SPAWNED = 6


class Playful(Module):
    module = "app_requirements"

    def on_start(self):
        self.greeting = "hello"
        self.note("on_start")
        match os.environ.get("ON_START", ""):
            case "raise":
                raise RuntimeError("the model file is missing")
            case "raise once" if not self.noted("failed once"):
                self.note("failed once")
                if reason := os.environ.get("REASON"):
                    raise RuntimeError(reason)
                raise RuntimeError("the model file is missing")
            case "crash":
                ctypes.string_at(0)
            case "hang once" if not self.noted("hung once"):
                self.note("hung once")
                time.sleep(3600)

    def process(self, task, inputs):
        user = inputs.user_input
        self.note(f"process {task.task_id} {task.attempt} {task.try_number} {os.getpid()}")
        getattr(self, "do_" + user.modality)(task, user)
        return AppRequirements(
            app_requirements=[self.greeting, user.problem_definition, str(task.try_number)]
        )

    def configure(self, configuration):
        if configuration.get("greeting") == "hang":
            time.sleep(3600)
        if configuration.get("greeting") == "list":
            return ["no", "dict"]
        if configuration.get("greeting") == "object":
            return {"greeting": lambda: "no JSON"}
        if configuration.get("greeting") == "numbers":
            return {"scalar": np.float32(0.5), "array": np.arange(3), "is": np.bool_(True)}
        if configuration.get("greeting") == "textless":
            raise TextlessError
        if "greeting" in configuration:
            if not isinstance(configuration["greeting"], str):
                raise ModuleError("greeting is no text; write one")
            self.greeting = configuration["greeting"]
        return {"greeting": self.greeting}

    def do_work(self, task, user):
        pass

    def do_sleep(self, task, user):
        time.sleep(float(user.problem_definition))

    def do_heed(self, task, user):
        while True:
            task.check()
            time.sleep(0.01)

    def do_watch(self, task, user):
        while not task.cancelled:
            time.sleep(0.01)
        self.note(f"heeded {task.task_id}")

    def do_never(self, task, user):
        time.sleep(3600)

    def do_hold(self, task, user):
        hold_the_interpreter(float(user.problem_definition))

    def do_swallow(self, task, user):
        while True:
            try:
                task.check()
                time.sleep(0.01)
            except BaseException:
                pass

    def do_raise(self, task, user):
        raise KeyError("no such thing")

    def do_refuse(self, task, user):
        raise ModuleError("the problem is empty; describe it")

    def do_exhaust(self, task, user):
        raise ModuleError("no memory left", ErrorCode.RESOURCE_EXHAUSTED)

    def do_leave(self, task, user):
        sys.exit(3)

    def do_vanish(self, task, user):
        os._exit(7)

    def do_crash(self, task, user):
        ctypes.string_at(0)

    def do_breed(self, task, user):
        if os.fork() == 0:
            time.sleep(3600)
        ctypes.string_at(0)

    def do_spawn(self, task, user):
        """Start processes in every way that escapes a parent; the last becomes a daemon."""
        pid = "echo pid $$ >> $NOTES; exec sleep 3600"
        subprocess.Popen(["sh", "-c", pid])
        subprocess.Popen(["sh", "-c", pid], start_new_session=True)
        subprocess.Popen(["setsid", "sh", "-c", f"trap '' TERM HUP; {pid}"])
        subprocess.run(["setsid", "sh", "-c", f"setsid sh -c '{pid}' > /dev/null 2>&1 &"])
        bare = ["env", "-i", f"NOTES={os.environ['NOTES']}", shutil.which("setsid"), "/bin/sh"]
        subprocess.Popen([*bare, "-c", pid])
        if os.fork() == 0:  # and no exec
            os.setsid()
            if os.fork() == 0:
                self.note(f"pid {os.getpid()}")
                time.sleep(3600)
            os._exit(0)
        if user.problem_definition == "crash":
            while sum(note.startswith("pid ") for note in self.notes()) < SPAWNED:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(3600)

    def note(self, text):
        with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as notes:
            notes.write(text + "\n")

    def noted(self, text):
        return text in self.notes()

    def notes(self):
        return Path(os.environ["NOTES"]).read_text(encoding="utf-8").splitlines()


class Tunable(Module):
    """Has a setting that is a parameter, with a rule that its range does not tell."""

    module = "app_requirements"
    parameters = (
        Setting("gain", 1.0, "factor of everything", 0.0, 10.0),
        Setting("mode", "fast", "way of work", choices=("fast", "exact")),
    )

    def on_start(self):
        self.values = {"gain": 1.0, "mode": "fast"}

    def process(self, task, inputs):
        return AppRequirements(app_requirements=[json.dumps(self.values)])

    def configure(self, configuration):
        if configuration.get("gain") == 7.0:
            raise ModuleError("gain 7 brings bad luck; choose another")
        if configuration.get("mode") == "exact" and configuration.get("gain") == 9.0:
            time.sleep(3600)
        self.values = {**self.values, **configuration}
        return self.values


class TextlessError(ModuleError):
    """An error that has neither a text nor a code."""

    def __init__(self):
        self.error_code = "none"

    def __str__(self):
        raise KeyError("text")


class Careless(Module):
    """Returns and raises what it should not."""

    module = "app_requirements"

    def process(self, task, inputs):
        match inputs.user_input.modality:
            case "nothing":
                return None
            case "wrong":
                return HWConstraints()
            case "dict":
                return {"app_requirements": []}
            case "surrogate":
                return AppRequirements(app_requirements=["a", "\ud800"])
            case "number":
                return AppRequirements(app_requirements=[1])
            case "none":
                return AppRequirements(app_requirements=None)
            case "bytes":
                return AppRequirements(extra_data=["a"])
            case "textless":
                raise TextlessError
        return inputs.no_such_input


class Provider(Module):
    """Joins three inputs, in later iterations six."""

    module = "ml_model_provider"

    def process(self, task, inputs):
        return MLModel(
            model=",".join(
                [
                    *inputs.app_requirements.app_requirements,
                    *inputs.ml_model_metadata.keywords,
                    *inputs.hw_constraints.hardware_required,
                    inputs.baselines.ml_model_provider.model,
                    inputs.baselines.hw_resources.hw_description,
                    str(inputs.baselines.carbon_tracker.carbon_footprint),
                ]
            )
        )


class Checker(Module):
    """A module of one's own."""

    module = "dataset_check"
    inputs = ("user_input", "app_requirements")
    output_type = HWConstraints

    def process(self, task, inputs):
        return HWConstraints(hardware_required=inputs.app_requirements.app_requirements)


class Homeless(Module):
    """Names no inputs."""

    module = "dataset_check"

    def process(self, task, inputs):
        return None


if __name__ == "__main__":
    {cls.__name__: cls for cls in (Playful, Tunable, Careless, Provider, Checker, Homeless)}[
        sys.argv.pop(1)
    ].main()
