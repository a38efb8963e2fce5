"""Files that scripts write from tables in the code are up to date."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import ros_api
import security_policy

ROOT = Path(__file__).parents[2]


def test_the_security_policy() -> None:
    text = security_policy.FILE.read_text(encoding="utf-8")
    assert text == security_policy.policy(), "run: make policy"


def test_the_reference_of_the_ros_interface() -> None:
    assert ros_api.FILE.read_text(encoding="utf-8") == ros_api.document(), "run: make ros-api"


def test_the_policy_of_another_framework(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "modules:\n"
        "  noise_meter: {inputs: [user_input], output_type: HWResource, timeout: 9.0,\n"
        "    max_tries: 1, replicas: 2, lifecycle: node_control}\n"
        "  judge: {inputs: [noise_meter], output_type: CO2Footprint, timeout: 9.0, max_tries: 1,\n"
        "    baseline: true, lifecycle: managed}\n"
    )
    root = ElementTree.fromstring(security_policy.policy(str(file), "/lab2"))
    rights = {
        enclave.get("path"): {
            (right, one.text)
            for group in enclave.iterfind("profiles/profile/*")
            for right in group.attrib
            for one in group
        }
        for enclave in root.iter("enclave")
    }
    assert sorted(rights) == [
        "/lab2/front_end", "/lab2/judge", "/lab2/noise_meter", "/lab2/noise_meter_2",
        "/lab2/orchestrator",
    ]  # fmt: skip
    assert {
        ("publish", "noise_meter/output"), ("reply", "noise_meter/configure"),
        ("reply", "noise_meter_2/get_state"), ("subscribe", "judge/baseline"),
    } <= rights["/lab2/noise_meter_2"]  # fmt: skip
    assert ("subscribe", "noise_meter/output") not in rights["/lab2/noise_meter_2"]
    assert ("subscribe", "noise_meter/output") in rights["/lab2/judge"]
    assert ("request", "judge/change_state") in rights["/lab2/orchestrator"]
    assert ("request", "noise_meter/change_state") not in rights["/lab2/orchestrator"]
