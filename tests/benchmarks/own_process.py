"""A measurement in a process of its own, so that nothing of the run before it is left over."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def in_own_process(measure: Callable[..., float], *arguments: Any) -> float:
    """What ``measure`` answers there; it and its arguments have to be picklable.

    Raises:
        Exception: whatever it raises.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        return processes.submit(measure, *arguments).result()
