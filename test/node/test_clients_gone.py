"""Which clients are taken for gone: those that are not in the graph where it would have them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node

from sustainml_orchestrator.contract.wait_set import ClientId
from sustainml_orchestrator.node import clients

SERVICE = "/some/service"


@pytest.fixture
def node() -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context)
    made = rclpy.create_node("watching", context=context)
    yield made
    made.destroy_node()
    context.try_shutdown()


def test_a_client_of_another_middleware_is_never_taken_for_gone(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "_DISCOVERY", 0.0)
    watch = clients.Clients(node)
    gone: list[str] = []
    vendors = {"Fast DDS": b"\x01\x0f", "Cyclone DDS": b"\x01\x10", "zenoh": b"\x7a\x31"}
    for name, vendor in vendors.items():
        client = ClientId(vendor + bytes(14))
        watch.watch(SERVICE, client, name, partial(gone.append, name))
    watch.update()
    assert gone == ["Fast DDS"]
    for name, vendor in vendors.items():
        watch.forget(SERVICE, ClientId(vendor + bytes(14)), name)
