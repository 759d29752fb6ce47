"""A view of each Dapp's results, with the typed columns that its manifest names."""

import re
from collections.abc import Mapping
from typing import Final

from streams.database.server import Server
from streams.registry.column_types import is_column_type

_NAME: Final = re.compile(r"[a-z0-9_]{1,32}")


class ViewError(ValueError):
    """A Dapp's name or a result column that cannot become SQL; says which."""


def view_name(dapp: str) -> str:
    """The name of a Dapp's view: ``results_<dapp>``."""
    return f"results_{dapp}"


def view_sql(dapp: str, columns: Mapping[str, str]) -> str:
    """The statement that makes a Dapp's view; ``columns``: JSON field → ClickHouse type.

    A field that a result lacks has its type's default: NULL in a Nullable column.

    Raises:
        ViewError: a name or type that is none.
    """
    if not _NAME.fullmatch(dapp):
        raise ViewError(f"{dapp!r} is no Dapp's name: 1 to 32 of a-z, 0-9 and _")
    fields = []
    for field, type_ in columns.items():
        if not is_column_type(type_):
            raise ViewError(f"result column {field}: {type_!r} is no type that JSON can be read as")
        fields.append(f"JSONExtract(body, {_text(field)}, {_text(type_)}) AS {_identifier(field)}")
    plain = ["device", "time", "message_id", "event_type", "`index`", "epoch", "program"]
    listed = ",\n    ".join([*plain, *fields, "body", "`partition`", "`offset`"])
    return (
        f"CREATE OR REPLACE VIEW {_identifier(view_name(dapp))} AS\nSELECT\n    {listed}\n"
        f"FROM results\nWHERE dapp = {_text(dapp)}"
    )


def ensure_view(server: Server, dapp: str, columns: Mapping[str, str]) -> None:
    """Make a Dapp's view, or make it anew with the columns that its manifest has now.

    Raises:
        ViewError: a name or type that is none.
        DatabaseError: ClickHouse is away or refuses.
    """
    server.command(view_sql(dapp, columns))


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _identifier(value: str) -> str:
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`") + "`"
