"""A module that does what the problem text says.

fail:NAME, hang:NAME, once:NAME, crash:NAME and fault:NAME have the module of that name do so;
later:NAME fails in every iteration but the first; slow:NAME takes a moment; work:10-50 has every
module work for 10 to 50 ms, fill:1000 has it add 1000 bytes to its output.

Its output carries the text of all its inputs and a checksum of theirs, so that a mix-up of tasks
would show.
"""

import json
import os
import random
import re
import signal
import sys
import time

from sustainml_msgs import msg

from support.checksums import SOURCES, checksum, combine
from sustainml_orchestrator.sdk import Module, Task

TYPES = {
    "app_requirements": msg.AppRequirements,
    "ml_model_metadata": msg.MLModelMetadata,
    "hw_constraints": msg.HWConstraints,
    "ml_model_provider": msg.MLModel,
    "hw_resources": msg.HWResource,
    "carbon_tracker": msg.CO2Footprint,
}
NAME = (sys.argv[1:] or [""])[0]


def marks(message: object) -> list[str]:
    """The texts that an input carries."""
    if isinstance(message, msg.UserInput):
        return [message.problem_definition]
    return json.loads(bytes(message.extra_data))["marks"]


def checksum_of(message: object) -> str:
    """The checksum that an input carries, or that of a problem's text."""
    if isinstance(message, msg.UserInput):
        return checksum("user_input", message.problem_definition)
    return json.loads(bytes(message.extra_data))["checksum"]


def numbers(word: str, text: str) -> list[int]:
    """What stands behind a word of the text; nothing when it is not there."""
    found = re.search(rf"{word}:([\d-]+)", text)
    return [int(number) for number in found[1].split("-")] if found else []


def misbehave(task: Task, text: str) -> None:
    """Do harm where it is our turn."""
    first = task.try_number == 1
    later = task.task_id.iteration_id > 1
    if (
        f"fail:{NAME}" in text
        or (f"once:{NAME}" in text and first)
        or (f"later:{NAME}" in text and later)
    ):
        raise RuntimeError("told to fail")
    if f"crash:{NAME}" in text and first:
        os._exit(9)
    if f"fault:{NAME}" in text and (first or "always" in text):
        os.kill(os.getpid(), signal.SIGSEGV)
    if f"hang:{NAME}" in text:
        while True:
            task.check()
            time.sleep(0.02)


class Scripted(Module):
    module = NAME

    def process(self, task, inputs):
        taken = [getattr(inputs, name) for name in SOURCES[NAME]]
        seen = sorted({mark for message in taken for mark in marks(message)})
        assert len(seen) == 1, f"mixed inputs: {seen}"
        text = seen[0]
        misbehave(task, text)
        if "needs:hf_token" in text and "user_input" in SOURCES[NAME]:
            assert json.loads(bytes(inputs.user_input.extra_data))["hf_token"]
        if f"slow:{NAME}" in text:
            time.sleep(0.2)
        if work := numbers("work", text):
            time.sleep(random.uniform(*work) / 1000)
        extra = {
            "marks": seen,
            "checksum": combine(NAME, map(checksum_of, taken)),
            "quality": 0.5,
            "fill": "x" * sum(numbers("fill", text)),
        }
        output = TYPES[NAME](extra_data=json.dumps(extra).encode())
        if NAME == "ml_model_provider":
            output.model = f"model for {text}"
            base = inputs.baselines.ml_model_provider
            if base.header.frame_id:
                output.model_path = f"after {base.model}"
        elif NAME == "carbon_tracker":
            output.carbon_footprint = 1.0 / task.task_id.iteration_id
        return output


main = Scripted.main

if __name__ == "__main__":
    main()
