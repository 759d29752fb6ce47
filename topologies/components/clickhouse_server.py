"""ClickHouse as a server, out of `chdb-core`: the process that `clickhouse.child` starts.

    CLICKHOUSE_PASSWORD=… python clickhouse_server.py TABLES DATABASE HTTP_PORT USER

`chdb-core` is ClickHouse's engine as a Python extension. Since 26.7 it can open ClickHouse's own
HTTP and native listeners from SQL, for as long as a query runs. So one query opens them and then
waits for ever; killing it, over the HTTP interface that it opened, shuts the engine down in
order. Addresses, users and paths come from `$HOME/.clickhouse-local/config.xml`.

The engine's signal handlers are switched off: SIGTERM is waited for here, while the query runs on
a thread of its own.
"""

import base64
import http.client
import importlib.machinery
import importlib.util
import os
import signal
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Final

_HOLD_ID: Final = "w3b_hold"
_KILL_S: Final = 5.0
_GRACE_S: Final = 1.5


def main() -> int:
    """Serve until SIGTERM or SIGINT; 1 when the engine could not start or ended by itself."""
    tables, database, http_port, user = sys.argv[1:]
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)  # threads started later inherit it
    engine = _load_engine()
    engine.set_signal_handlers_enabled(0)
    # Rows come one at a time, each after a short sleep, so that a kill takes effect at once.
    sql = (
        f"CREATE DATABASE IF NOT EXISTS {database};"
        " SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP;"
        f" SELECT '{_HOLD_ID}' FROM system.numbers WHERE sleepEachRow(0.2)"
        " SETTINGS max_block_size = 1, log_queries = 0"
    )
    ended = threading.Event()

    def serve() -> None:
        try:
            engine.query(sql, "TabSeparated", path=tables)
        finally:
            ended.set()
            os.kill(os.getpid(), signal.SIGTERM)  # wakes the wait below

    server = threading.Thread(target=serve, name="clickhouse", daemon=True)
    server.start()
    signal.sigwait(stop_signals)
    if ended.is_set():  # an engine that cannot start returns, and the log says why
        return 1
    _end_query(int(http_port), user, os.environ["CLICKHOUSE_PASSWORD"])
    server.join(_GRACE_S)
    # An idle connection in some client's pool would hold the engine up for 5 s more. Nothing is
    # lost by not waiting: acknowledged rows are on disk, and inserts have had their time.
    os._exit(0)


def _end_query(http_port: int, user: str, password: str) -> None:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=_KILL_S)
    sql = f"KILL QUERY WHERE user = '' AND query LIKE '%{_HOLD_ID}%' ASYNC"
    connection.request("POST", "/", sql, {"Authorization": f"Basic {token}"})
    connection.getresponse().read()
    connection.close()


def _load_engine() -> ModuleType:
    """The extension alone: importing `chdb` would start an engine of its own first."""
    spec = importlib.util.find_spec("chdb")
    assert spec is not None
    assert spec.origin is not None
    path = str(Path(spec.origin).with_name("_chdb.abi3.so"))
    loader = importlib.machinery.ExtensionFileLoader("_chdb", path)
    extension = importlib.util.spec_from_loader("_chdb", loader)
    assert extension is not None
    module = importlib.util.module_from_spec(extension)
    loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
