"""A framework over three hosts, and another one beside it, by each recipe of `config/network`.

PYTHONPATH=test python -m support.several_machines [RECIPE …] [--short]

The hosts are those of `support.network`. Tasks run while a fifth of the packets are lost and all
are delayed by up to 200 ms, while a host is cut off, one way and both ways, and after it is healed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.network import Network, missing
from sustainml_orchestrator.processes.programs import programs

ROOT = Path(__file__).parents[2]
RECIPES = ("multicast", "static_peers", "discovery_server")
HOSTS = ("desk", "lab", "edge", "client")
NAMESPACE, OTHER = "/many", "/beside"
#: Where the processes of the framework run; `desk` has the address that the recipes name first.
PLACES = {
    "desk": ("orchestrator", "app_requirements", "carbon_tracker"),
    "lab": ("ml_model_metadata", "ml_model_provider"),
    "edge": ("hw_constraints", "hw_resources"),
}
_EXAMPLE, _HERE = "192.168.1.", "10.77.0."
_LOSS, _DELAY = 0.2, (0.1, 0.2)


def variables(recipe: str) -> dict[str, str]:
    """What a recipe sets, with the addresses of these hosts."""
    text = (ROOT / "config" / "network" / f"{recipe}.env").read_text().replace(_EXAMPLE, _HERE)
    words = shlex.split(text, comments=True)
    return dict(word.split("=", 1) for word in words) | {"ROS_DOMAIN_ID": "7"}


@contextmanager
def running(network: Network, host: str, commands: Sequence[Sequence[str]]) -> Iterator[None]:
    """Processes of one host, which share its /dev/shm; each is started again when it ends."""
    line = " & ".join(f"(while :; do {shlex.join(command)}; sleep 1; done)" for command in commands)
    process = subprocess.Popen(
        network.command(host, ["sh", "-c", f"{line} & wait"]),
        stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start(stack: ExitStack, network: Network, recipe: str) -> None:
    """Start the framework over three hosts, and another one on the desk alone."""
    if recipe == "discovery_server":
        server = ("fast-discovery-server", "-i", "0", "-l", f"{_HERE}1", "-p", "11811")
        stack.enter_context(running(network, "desk", [server]))
    found = {p.name: p.command for p in programs(namespace=NAMESPACE, isolation="thread")}
    for host, names in PLACES.items():
        stack.enter_context(running(network, host, [found[name] for name in names]))
    beside = [p for p in programs(namespace=OTHER) if p.name == "orchestrator"]
    stack.enter_context(running(network, "edge", [p.command for p in beside]))


def try_recipe(recipe: str, short: bool) -> None:
    """Start it, run tasks, break the network, run tasks, heal it: all tasks succeed, once."""
    with Network(HOSTS, seed=1) as network, ExitStack() as stack:
        os.environ.update(variables(recipe))
        start(stack, network, recipe)
        network.enter("client")
        from sustainml_msgs.msg import UserInput

        from sustainml_orchestrator.client import OrchestratorClient

        with OrchestratorClient(NAMESPACE, timeout=20.0) as client:
            began = time.monotonic()
            client.wait_until_ready(90.0)
            say(recipe, f"ready after {time.monotonic() - began:.1f} s")
            asked = []

            def ask(count: int) -> None:
                asked.extend(
                    client.start_task(UserInput(problem_definition="tell cats from dogs"))
                    for _ in range(count)
                )

            ask(3)
            for name, settings, seconds in faults(short):
                network.set(**settings)
                say(recipe, name)
                ask(2)
                time.sleep(seconds)
                network.set()
                ask(1)
            last = {s.task_id.problem_id: s for s in client.watch(asked, timeout=180.0)}
            wrong = [f"{s.outcome_reason}" for s in last.values() if s.status_text != "SUCCEEDED"]
            assert len(last) == len(asked) and not wrong, wrong
            listed = client.list_tasks()[1]
            assert listed == len(asked), f"{listed} tasks, {len(asked)} were asked for"
            say(recipe, f"{len(asked)} tasks, none lost, none doubled")
        check_the_other(recipe)


def faults(short: bool) -> Iterator[tuple[str, dict[str, object], float]]:
    """Name, settings of the network, and how long (s)."""
    away = [(a, "lab") for a in HOSTS if a != "lab"]
    both = away + [(b, a) for a, b in away]
    yield "20 % loss, 200 ms of delay", {"loss": _LOSS, "delay": _DELAY}, 3.0 if short else 10.0
    yield "lab is cut off both ways", {"cuts": both}, 4.0 if short else 10.0
    if not short:
        yield "lab receives nothing", {"cuts": away}, 10.0
        yield "lab reaches nobody", {"cuts": [(b, a) for a, b in away]}, 10.0


def check_the_other(recipe: str) -> None:
    """The framework beside it has seen no module, and has no task."""
    from sustainml_orchestrator.client import OrchestratorClient

    with OrchestratorClient(OTHER, timeout=20.0) as client:
        seen = [s.node_name for s in client.get_node_status() if s.instances]
        assert not seen, f"the other framework sees {seen}"
        assert client.list_tasks()[1] == 0
    say(recipe, "another framework on the same domain sees nothing of it")


def say(recipe: str, text: str) -> None:
    print(f"{recipe}: {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=", ".join(RECIPES))
    parser.add_argument("--short", action="store_true", help="fewer faults, for a shorter time")
    given = parser.parse_args()
    if wrong := sorted({*given.recipes} - {*RECIPES}):
        parser.error(f"no recipe: {', '.join(wrong)}; there are {', '.join(RECIPES)}")
    short, recipes = given.short, given.recipes or RECIPES
    if reason := missing():
        sys.exit(reason)
    if len(recipes) == 1:
        try_recipe(recipes[0], short)
        return
    for recipe in recipes:  # each in a process of its own, which moves to another host
        command = [sys.executable, "-m", "support.several_machines", recipe]
        subprocess.run([*command, *(["--short"] if short else [])], check=True)


if __name__ == "__main__":
    main()
