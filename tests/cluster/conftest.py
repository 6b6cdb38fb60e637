"""A Ray cluster for tests. Started once: Ray takes its time, and does not like two of them in a process."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def head() -> Iterator[Any]:
    pytest.importorskip("ray")
    made = importlib.import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    yield made
    made.shutdown()


@pytest.fixture
def cluster(head: Any) -> Iterator[Any]:
    """Two nodes of one CPU; the second, `extra`, may be killed."""
    head.extra = head.add_node(num_cpus=1)
    head.wait_for_nodes()
    yield head
    if head.extra in head.list_all_nodes():
        head.remove_node(head.extra)
