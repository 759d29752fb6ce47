"""Keyrings, as threads use them. Files and slots: `test_store`."""

from concurrent.futures import ThreadPoolExecutor

from streams.wallet.sealing import Keyring


def test_threads_that_open_keyrings_at_once_do_not_wait_for_each_other_for_ever() -> None:
    data = Keyring.make(b"correct horse").encode()
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(lambda _: Keyring.open(data, b"correct horse"), range(4)))
    assert [one.unseal(opened[0].seal(b"secret", "name"), "name") for one in opened] == (
        [b"secret"] * 4
    )
