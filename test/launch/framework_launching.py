"""The launch file under launch_testing: it starts a whole framework, which solves and ends clean.

launch_test test/launch/framework_launching.py
"""

from __future__ import annotations

import os
import time
import unittest
from pathlib import Path

import launch_testing
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from sustainml_msgs.msg import UserInput

from launch import LaunchDescription
from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.core.ids import TaskStatus

NAMESPACE = f"launch_test_{os.getpid()}"
LAUNCH = Path(__file__).parents[2] / "launch" / "sustainml.launch.xml"
PATIENCE = 60.0


def generate_test_description():
    os.environ.pop("ROS_AUTOMATIC_DISCOVERY_RANGE", None)
    arguments = {
        "namespace": NAMESPACE, "journal_path": "none", "isolation": "thread",
        "replicas": "hw_resources=2",
    }  # fmt: skip
    source = AnyLaunchDescriptionSource(str(LAUNCH))
    included = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    return LaunchDescription([included, launch_testing.actions.ReadyToTest()])


def wait_until_two_instances(client):
    deadline = time.monotonic() + PATIENCE
    while len(client.get_node_status("hw_resources")[0].instances) < 2:
        assert time.monotonic() < deadline, "the second instance has not come"
        time.sleep(0.1)


class TestFramework(unittest.TestCase):
    def test_it_becomes_ready_and_solves(self):
        assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"  # unless it is set
        with OrchestratorClient(NAMESPACE, timeout=PATIENCE) as client:
            client.wait_until_ready(PATIENCE)
            wait_until_two_instances(client)
            names = ("hw_resources", "hw_resources_2")
            first, second = (client.get_parameters(name, timeout=PATIENCE) for name in names)
            assert first == second
            problem = UserInput(problem_definition="tell cats from dogs in photos")
            task = client.run_task(problem, timeout=PATIENCE)
            assert task.summary.task_status == TaskStatus.SUCCEEDED, task.summary.outcome_reason


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_every_process_ends_clean(self, proc_info):
        launch_testing.asserts.assertExitCodes(proc_info)
        assert len(list(proc_info.process_names())) == 8
