"""An orchestrator that stood still answers, and has lost nothing of what came meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.puppet import PATIENCE, Framework, Puppet
from support.system import wait_for
from sustainml_msgs.msg import ModuleProgress, NodeControl, NodeStatus, UserInput

_TASKS, _STATUSES, _ROUNDS = 90, 500, 3
_OUTPUTS = 30


def test_requests_and_statuses_of_the_pause_are_all_handled(tmp_path: Path) -> None:
    with Framework(tmp_path, "pause") as framework:
        puppet, pid = framework.puppet, framework.process.pid
        known = puppet.start()
        for number in range(_ROUNDS):
            os.kill(pid, signal.SIGSTOP)
            try:
                sent = [
                    puppet.send("start_task", user_input=UserInput(problem_definition=f"{i}"))
                    for i in range(_TASKS)
                ]
                for _ in range(_STATUSES):
                    puppet.say("first", known, NodeStatus.TASK_RUNNING)
            finally:
                os.kill(pid, signal.SIGCONT)
            answer = puppet.call("get_task", task_id=known.task_id)
            assert answer.success, f"round {number}: {answer.message}"
            wait_for(lambda futures=sent: all(f.done() for f in futures), PATIENCE)
            for future in sent:
                assert future.result().success, future.result().message
                puppet.finish(puppet.input_of(future.result().task_id))
            last = puppet.input_of(sent[-1].result().task_id)
            puppet.until_status(last, NodeStatus.TASK_SUCCEEDED)


def test_outputs_of_the_pause_are_not_asked_for_again(tmp_path: Path) -> None:
    with Framework(tmp_path, "outputs") as framework:
        puppet, pid = framework.puppet, framework.process.pid
        tasks = [puppet.start(f"problem {number}") for number in range(_OUTPUTS)]
        for task in tasks:
            puppet.say("first", task, NodeStatus.TASK_RUNNING)
        running = NodeStatus.TASK_RUNNING
        wait_for(lambda: all(step_of(puppet, task).task_status == running for task in tasks))
        before = len(puppet.heard["control"])
        os.kill(pid, signal.SIGSTOP)
        try:
            for task in tasks:
                puppet.finish(task)
        finally:
            os.kill(pid, signal.SIGCONT)
        for task in tasks:
            puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
        later = puppet.heard["control"][before:]
        assert [m.target_node for m in later if m.cmd_task == NodeControl.RESET_TASK] == []


def step_of(puppet: Puppet, task: UserInput) -> ModuleProgress:
    """What the orchestrator knows of the first step of a task."""
    return puppet.summary(task).modules[0]
