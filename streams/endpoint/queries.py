"""Saved queries over HTTP: who may ask which, and how many at once."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError
from streams.registry.entries import Publisher
from streams.registry.view import Registry

# Format (parameter ``format``) → content type.
FORMATS: Final[Mapping[str, str]] = {
    "json": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.file",
    "parquet": "application/vnd.apache.parquet",
}
_FORMAT: Final = "format"


class Answerer(Protocol):
    """Who answers queries: the database, wherever it is."""

    def __call__(self, dapp: str, sql: str, fmt: str, parameters: Mapping[str, str]) -> bytes:
        """The answer, in one of `FORMATS`. Blocks; from several threads.

        Raises:
            RefusedError: QUERY_REFUSED or DATABASE_UNAVAILABLE.
        """
        ...


class Queries:
    """Answers the queries that Dapps have; lives on the endpoint's event loop."""

    def __init__(self, registry: Registry, answerer: Answerer | None) -> None:
        """``answerer``: None where this process cannot reach the database."""
        self._registry = registry
        self._answerer = answerer
        self._threads = ThreadPoolExecutor(limits.SAVED_QUERIES_AT_ONCE, "query")
        self._running = 0

    async def answer(
        self, reader: Publisher, dapp: str, name: str, given: Mapping[str, str]
    ) -> tuple[bytes, str]:
        """The answer and its content type; ``given`` are its parameters, and ``format``.

        Raises:
            RefusedError: NOT_GRANTED, UNKNOWN_DAPP, UNKNOWN_QUERY, MALFORMED_REQUEST, OVERLOADED,
                or as the `Answerer`.
        """
        if reader.dapp != dapp:
            raise RefusedError(Refusal.NOT_GRANTED, "the token is for another Dapp")
        known = self._registry.dapp(dapp)
        if known is None:
            raise RefusedError(Refusal.UNKNOWN_DAPP, "this node serves no such Dapp")
        sql = known.saved_queries.get(name)
        if sql is None:
            names = ", ".join(known.saved_queries) or "none"
            raise RefusedError(
                Refusal.UNKNOWN_QUERY, f"the Dapp has no such query; it has: {names}"
            )
        parameters = dict(given)
        fmt = parameters.pop(_FORMAT, "json")
        if fmt not in FORMATS:
            raise RefusedError(
                Refusal.MALFORMED_REQUEST, f"format: one of {', '.join(FORMATS)}, not {fmt[:32]!r}"
            )
        return await self._ask(dapp, sql, fmt, parameters), FORMATS[fmt]

    async def _ask(self, dapp: str, sql: str, fmt: str, parameters: Mapping[str, str]) -> bytes:
        if self._answerer is None:
            raise RefusedError(Refusal.DATABASE_UNAVAILABLE, "this node answers no queries")
        if self._running >= limits.SAVED_QUERIES_AT_ONCE:
            raise RefusedError(Refusal.OVERLOADED, "too many queries run at the moment")
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._answerer, dapp, sql, fmt, parameters
            )
        finally:
            self._running -= 1

    def close(self) -> None:
        """Take no more; those that run end by their own limit, and nobody waits for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)
