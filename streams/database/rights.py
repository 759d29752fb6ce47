"""Who may read what in ClickHouse: roles, row policies, quotas; as SQL and for the embedded server.

Three roles. An **analyst** of the node's reads everything, as the cloud trust model has it. An
**auditor** reads the audit log, and nothing of what devices sent. A **reader** is a Dapp's user:
results, claims and what was signed, of one Dapp, which the setting ``log_comment`` of the user or
of the query names; without it no row is seen.
"""

from collections.abc import Sequence
from typing import Final

from streams import limits

ANALYST: Final = "w3b_analyst"
AUDITOR: Final = "w3b_auditor"
READER: Final = "w3b_reader"
# Of ClickHouse's own settings one that changes nothing, and that its log of queries keeps: the
# embedded server takes none of one's own.
DAPP_SETTING: Final = "log_comment"

# Tables whose rows name their Dapp, and views of them; what devices sent lies in the others.
READ_TABLES: Final = ("results", "claims", "summaries", "commitments", "sql_rows")
_READ_VIEWS: Final = ("results_*", "sql_*")
ROW_FILTER: Final = f"dapp = getSetting('{DAPP_SETTING}')"


def reader_grants(database: str) -> list[str]:
    """What a reader may read, a grant each without its grantee."""
    names = (*READ_TABLES, *_READ_VIEWS)
    return [f"GRANT SELECT ON {database}.{name}" for name in names]


def rights_sql(database: str) -> Sequence[str]:
    """The statements that make roles, policies and quotas on a server; each may be repeated.

    Users are the operator's to make: ``CREATE USER ann IDENTIFIED BY … DEFAULT ROLE w3b_analyst``,
    or ``… DEFAULT ROLE w3b_reader SETTINGS log_comment = 'safe_driving' READONLY``.
    """
    policies = [
        f"CREATE ROW POLICY OR REPLACE {READER} ON {database}.{table} FOR SELECT"
        f" USING {ROW_FILTER} TO {READER}"
        for table in READ_TABLES
    ]
    return [
        f"CREATE ROLE IF NOT EXISTS {ANALYST} SETTINGS readonly = 2,"
        f" max_execution_time = {limits.QUERY_SECONDS_MAX},"
        f" max_memory_usage = {limits.QUERY_MEMORY_BYTES_MAX}",
        f"CREATE ROLE IF NOT EXISTS {READER} SETTINGS"
        f" max_execution_time = {limits.SAVED_QUERY_SECONDS_MAX} MAX {limits.QUERY_SECONDS_MAX},"
        f" max_memory_usage = {limits.QUERY_MEMORY_BYTES_MAX} MAX {limits.QUERY_MEMORY_BYTES_MAX}",
        f"GRANT SELECT ON {database}.* TO {ANALYST}",
        f"CREATE ROLE IF NOT EXISTS {AUDITOR} SETTINGS readonly = 2,"
        f" max_execution_time = {limits.QUERY_SECONDS_MAX},"
        f" max_memory_usage = {limits.QUERY_MEMORY_BYTES_MAX}",
        f"GRANT SELECT ON {database}.audit TO {AUDITOR}",
        *(f"{grant} TO {READER}" for grant in reader_grants(database)),
        *policies,
        f"CREATE QUOTA OR REPLACE {READER} KEYED BY user_name FOR INTERVAL 1 minute"
        f" MAX execution_time = {limits.READER_SECONDS_A_MINUTE} TO {READER}",
    ]
