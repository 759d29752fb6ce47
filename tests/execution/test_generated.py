"""Programs that nobody wrote: whatever they do, the host stays whole and replay gives the same."""

import psutil
import pytest

from tests.execution.survey import Survey

MODULES = 60  # `make soak` takes ten thousand


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_generated_programs_leave_the_host_whole() -> None:
    survey = Survey()
    before = psutil.Process().memory_info().rss
    for seed in range(MODULES):
        survey.take(seed)
    assert survey.problems == []
    assert survey.ran > MODULES * 0.9
    grown = psutil.Process().memory_info().rss - before
    assert grown < 300 << 20, f"{grown:,} bytes were not given back"
