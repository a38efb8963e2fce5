"""Writes a policy of SROS 2 with an enclave for each node, which may do what its node does.

Without arguments it writes config/security/policy.xml, for the standard pipeline. With --pipeline
or --namespace it prints the policy of another framework.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from ros_interface import Interface, interface

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.enclaves import FRONT_END, enclave
from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.core.pipeline import PipelineError

FILE = Path(__file__).resolve().parents[1] / "config" / "security" / "policy.xml"
_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- What each node of the framework may do in the ROS graph, and no more; see docs/security.md.
     `make policy` writes this file. -->
<policy version="0.2.0">
  <enclaves>
"""


def policy(pipeline_file: str = "", namespace: str = names.DEFAULT_NAMESPACE) -> str:
    """The policy of a framework.

    Args:
        pipeline_file: the module graph; "" = the standard one.
        namespace: of its nodes.

    Raises:
        PipelineError: the file is wrong.
    """
    parts = interface(read_pipeline(pipeline_file))
    space = "/" + namespace.strip("/")
    enclaves = (_enclave(parts, space, node) for node in (*parts.nodes, FRONT_END))
    return _HEAD + "".join(enclaves) + "  </enclaves>\n</policy>\n"


def _enclave(parts: Interface, space: str, node: str) -> str:
    path = enclave(space, node)
    lines = [
        f"    <enclave path={quoteattr(path)}>\n      <profiles>\n",
        f"        <profile ns={quoteattr(space)} node={quoteattr(node)}>\n",
        *_permissions(parts, node),
        "        </profile>\n      </profiles>\n    </enclave>\n",
    ]
    return "".join(lines)


def _permissions(parts: Interface, node: str) -> Iterator[str]:
    topics, services = parts.topics, parts.services
    action = [parts.action]
    yield from _list("topic", "publish", (t.name for t in topics if node in t.publishers))
    yield from _list("topic", "subscribe", (t.name for t in topics if node in t.subscribers))
    yield from _list("service", "reply", (s.name for s in services if node in s.servers))
    yield from _list("service", "request", (s.name for s in services if node in s.clients))
    yield from _list("action", "execute", (a.name for a in action if node in a.servers))
    yield from _list("action", "call", (a.name for a in action if node in a.clients))


def _list(kind: str, right: str, found: Iterable[str]) -> Iterator[str]:
    lines = [f"            <{kind}>{escape(name)}</{kind}>\n" for name in sorted(found)]
    if lines:
        yield f'          <{kind}s {right}="ALLOW">\n'
        yield from lines
        yield f"          </{kind}s>\n"


def main() -> None:
    """Write the file, or print the policy of another framework."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", default="", help="file of the module graph")
    parser.add_argument("--namespace", default="", help="namespace of the nodes")
    given = parser.parse_args()
    if not given.pipeline and not given.namespace:
        FILE.write_text(policy(), encoding="utf-8")
        return
    try:
        print(policy(given.pipeline, given.namespace or names.DEFAULT_NAMESPACE), end="")
    except PipelineError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
