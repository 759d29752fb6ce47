"""One ClickHouse server, from the `chdb-core` package (see `clickhouse_server`).

A private way into the engine: its version is pinned and tests smoke it. It has no TLS listener
and no `CREATE USER`; it is for one machine. Anywhere else, point `clickhouse_url` at a server.
"""

import base64
import hashlib
import http.client
import importlib.util
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from streams import limits
from streams.database import rights
from topologies.supervisor import Child, SetupError, Unhealthy

HOST: Final = "127.0.0.1"
DATABASE: Final = "w3b"
USER: Final = "w3b"
READER: Final = rights.READER
_PROBE_S: Final = 3.0

_CONFIG: Final = """\
<clickhouse>
  <path>{path}/</path>
  <listen_host>{host}</listen_host>
  <http_port>{http_port}</http_port>
  <tcp_port>{native_port}</tcp_port>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <logger><level>warning</level><console>1</console></logger>
  <log-level>warning</log-level>
  <!-- The default, 512 threads for schedules alone, is for servers; fewer than 16 fill the log. -->
  <background_schedule_pool_size>16</background_schedule_pool_size>
  <background_pool_size>2</background_pool_size>
  <mark_cache_size>134217728</mark_cache_size>
  <max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>
  <query_log>
    <database>system</database>
    <table>query_log</table>
    <ttl>event_date + INTERVAL 3 DAY</ttl>
  </query_log>
</clickhouse>
"""

# The engine's own query runs as `default` without a password, from 127.0.0.1, which is what any
# local program or a page in a browser may be too. So `default` may do what that query needs and
# nothing else: it reads no table of ours and no file. (It may still close the listeners.)
_USERS: Final = """\
<clickhouse>
  <profiles>
    <default></default>
  </profiles>
  <quotas>
    <default></default>
    <{reader}>
      <interval><duration>60</duration><execution_time>{reader_s}</execution_time></interval>
    </{reader}>
  </quotas>
  <users>
    <default>
      <no_password></no_password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>
      <grants>
        <query>GRANT CREATE DATABASE, SYSTEM LISTEN ON *.*</query>
        <query>GRANT SELECT ON system.numbers</query>
      </grants>
    </default>
    <{user}>
      <password_sha256_hex>{password_sha256}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>
    </{user}>
    <{reader}>
      <password_sha256_hex>{reader_sha256}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>{reader}</quota>
      <grants>{grants}</grants>
      <databases><{database}>{policies}</{database}></databases>
    </{reader}>
  </users>
</clickhouse>
"""


def child(data: Path, http_port: int, native_port: int) -> Child:
    """The server as a supervised child.

    Args:
        data: its directory; holds settings, the password and the tables.
        http_port: the HTTP interface, loopback.
        native_port: the native protocol, loopback.

    Raises:
        SetupError: `chdb-core` is not installed.
    """
    if importlib.util.find_spec("chdb") is None:
        raise SetupError(
            "the package chdb-core is not installed: run `make setup`, "
            "or set clickhouse_url to a running ClickHouse"
        )
    for user in (USER, READER):
        _make_password(_password(data, user))
    address = url(data, http_port)

    def prepare() -> Sequence[str]:
        _write_settings(data, http_port, native_port)
        return ()

    server = str(Path(__file__).with_name("clickhouse_server.py"))
    tables = str(data / "tables")
    return Child(
        name="clickhouse",
        argv=(sys.executable, server, tables, DATABASE, str(http_port), USER),
        env={"HOME": str(data), "CLICKHOUSE_PASSWORD": _password(data, USER).read_text()},
        health=lambda: probe(address),
        address=without_password(address),
        prepare=prepare,
        start_s_max=30.0,
    )


def url(data: Path, http_port: int, user: str = USER) -> str:
    """Where a user finds the node's database, with the password once there is one."""
    path = _password(data, user)
    login = f"{user}:{path.read_text()}@" if path.exists() else ""
    return f"http://{login}{HOST}:{http_port}/{DATABASE}"


def without_password(address: str) -> str:
    """The same address, fit to be shown."""
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def probe(address: str) -> None:
    """Ask a ClickHouse to `SELECT 1`.

    Args:
        address: `http[s]://user:password@host:port/database`.

    Raises:
        Unhealthy: no answer, or a refusal.
    """
    parts = urlsplit(address)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(
        parts.hostname or HOST, parts.port or (8443 if secure else 8123), timeout=_PROBE_S
    )
    user, password = unquote(parts.username or "default"), unquote(parts.password or "")
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    database = parts.path.strip("/") or "default"
    try:
        connection.request(
            "POST", f"/?database={database}", "SELECT 1", {"Authorization": f"Basic {token}"}
        )
        response = connection.getresponse()
        body = response.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"no answer to SELECT 1: {error}") from error
    finally:
        connection.close()
    if response.status != http.client.OK or body != "1":
        raise Unhealthy(f"SELECT 1 was refused: {body.splitlines()[0] if body else 'no reason'}")


def _password(data: Path, user: str) -> Path:
    return data / ("password" if user == USER else f"password.{user}")


def _make_password(path: Path) -> None:
    """Make a password on first use, readable by the owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.touch(mode=0o600)
        part.write_text(secrets.token_urlsafe(24))
        part.replace(path)


def _write_settings(data: Path, http_port: int, native_port: int) -> None:
    home = data / ".clickhouse-local"
    home.mkdir(parents=True, exist_ok=True)
    users = home / "users.xml"
    users.touch(mode=0o600)
    users.write_text(_users(data))
    settings = _CONFIG.format(
        path=escape(str(data / "tables")),
        host=HOST,
        http_port=http_port,
        native_port=native_port,
        users=escape(str(users)),
    )
    (home / "config.xml").write_text(settings)


def _users(data: Path) -> str:
    def digest(user: str) -> str:
        return hashlib.sha256(_password(data, user).read_bytes()).hexdigest()

    return _USERS.format(
        user=USER,
        password_sha256=digest(USER),
        reader=READER,
        reader_sha256=digest(READER),
        reader_s=limits.READER_SECONDS_A_MINUTE,
        database=DATABASE,
        grants="".join(f"<query>{one}</query>" for one in rights.reader_grants(DATABASE)),
        policies="".join(
            f"<{table}><filter>{rights.ROW_FILTER}</filter></{table}>"
            for table in rights.READ_TABLES
        ),
    )
