"""What all programs of a process share."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from streams.execution import linking


def test_threads_that_start_at_once_share_one_engine() -> None:
    linking._made_host.cache_clear()
    together = Barrier(4)

    def ask(_: int) -> linking.Host:
        together.wait()
        return linking.host()

    with ThreadPoolExecutor(4) as threads:
        hosts = list(threads.map(ask, range(4)))
    assert len({id(one) for one in hosts}) == 1
