"""Shows the steps of the set-up, one line each with the seconds it took."""

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


class StepFailed(Exception):
    """A command of a step failed; the text says which, with the end of what it wrote."""


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Print the title when the step begins, and how long it took (s) when it ends."""
    began = time.monotonic()
    print(f"  {title:<58}", end="", flush=True)
    try:
        yield
    except BaseException:
        print(" failed", flush=True)
        raise
    print(f" {time.monotonic() - began:6.1f} s", flush=True)


def run(command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> None:
    """Run a command to its end, its output into `log`.

    Raises:
        StepFailed: the command ended with another code than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
        raise StepFailed(f"{tail}\n\nended with {done.returncode}; all that it wrote is in {log}")
