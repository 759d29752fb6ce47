"""A node that has worked: what its dashboards ask has an answer."""

from collections.abc import Iterator

import pytest

from tests.grafana.worked import worked
from tests.integration.running import RunningNode
from topologies.components import prometheus


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Of a whole module, which asks it much."""
    if prometheus.program() is None:
        pytest.skip(f"Prometheus {prometheus.ADVICE}")
    with worked(tmp_path_factory.mktemp("worked")) as it:
        yield it
