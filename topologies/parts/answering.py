"""Saved queries → ClickHouse, as a user who sees one Dapp's results."""

from collections.abc import Mapping

from streams.database.query import Format, QueryError
from streams.database.saved import SavedQueries
from streams.database.server import DatabaseError
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.queries import Answerer
from topologies.config import Settings


def answerer(settings: Settings) -> Answerer | None:
    """Who answers the endpoint's queries; None where nobody was named who may."""
    if settings.clickhouse_reader_url is None:
        return None
    saved = SavedQueries(settings.clickhouse_reader_url)

    def answer(dapp: str, sql: str, fmt: str, parameters: Mapping[str, str]) -> bytes:
        try:
            return saved.answer(dapp, sql, Format[fmt.upper()], parameters)
        except QueryError as error:
            raise RefusedError(Refusal.QUERY_REFUSED, str(error)) from error
        except DatabaseError as error:
            raise RefusedError(Refusal.DATABASE_UNAVAILABLE, str(error)) from error

    return answer
