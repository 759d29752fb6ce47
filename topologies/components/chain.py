"""An EVM chain: anvil, one node that mines a block as soon as it has a transaction.

Mining on demand (and not every second) because a block a second would be 86,400 empty ones a day
to keep; it means that confirmations only come with further transactions.

anvil holds its chain in memory. Its own `--state-interval` writes over the file in place, so that
a kill in mid-write leaves half a file and the chain is gone. Here the supervisor asks for the
state once a second if the head has moved (`anvil_dumpState`), and replaces the file atomically: a
`kill -9` loses at most the last second's blocks, which a submitter has to survive anyway (to it
they are a reorganisation).
"""

import gzip
import json
import platform
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from topologies.supervisor import Child, SetupError, Unhealthy

HOST: Final = "127.0.0.1"
CHAIN_ID: Final = 31337
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_HARDFORK: Final = "osaka"  # anvil's default moves with its version
_PROBE_S: Final = 3.0


def child(data: Path, port: int) -> Child:
    """The chain as a supervised child.

    Args:
        data: its directory; holds `state.json`.
        port: JSON-RPC over HTTP and WebSocket, loopback.

    Raises:
        SetupError: anvil is not installed.
    """
    machine = _MACHINES.get(platform.machine(), platform.machine())
    anvil = _CHECKOUT / f"node_modules/@foundry-rs/anvil-linux-{machine}/bin/anvil"
    if not anvil.exists():
        raise SetupError(
            "the chain's binary (anvil) is not in node_modules: run `make setup`, "
            "or set chain_rpc_url to a running chain"
        )
    url = f"http://{HOST}:{port}"
    state = data / "state.json"
    keeper = _StateKeeper(url, state)
    return Child(
        name="chain",
        argv=(str(anvil), "--host", HOST, "--port", str(port), "--chain-id", str(CHAIN_ID),
              "--hardfork", _HARDFORK, "--no-cors", "--quiet"),
        env={},
        health=lambda: probe(url, CHAIN_ID),
        address=url,
        prepare=keeper.load,
        tend=keeper.save,
        start_s_max=20.0,
    )  # fmt: skip


def probe(url: str, chain_id: int | None = None) -> None:
    """Ask a chain for its id.

    Args:
        url: of its JSON-RPC.
        chain_id: the one that it has to be, if any.

    Raises:
        Unhealthy: no answer, or another chain.
    """
    found = int(_call(url, "eth_chainId"), 16)
    if chain_id is not None and found != chain_id:
        raise Unhealthy(f"it is chain {found}, not {chain_id}")


def without_secrets(url: str) -> str:
    """The address without what may be an API key: user, password, path and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


class _StateKeeper:
    """Writes the chain's state to a file when its head has moved, and starts from that file."""

    def __init__(self, url: str, path: Path) -> None:
        self._url = url
        self._path = path
        self._saved_head: str | None = None

    def load(self) -> Sequence[str]:
        """The arguments that start the chain where the file left it.

        Raises:
            SetupError: the file is damaged.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._saved_head = None
        if not self._path.exists():
            return ()
        try:
            json.loads(self._path.read_bytes())
        except ValueError as error:
            raise SetupError(
                f"{self._path} is damaged ({error}): put a copy back, or remove it, and the "
                "chain begins anew"
            ) from None
        return "--load-state", str(self._path)

    def save(self) -> None:
        """Save if there is a new block.

        Raises:
            Unhealthy: the chain does not answer.
        """
        head = _call(self._url, "eth_getBlockByNumber", "latest", False)["hash"]
        if head == self._saved_head:
            return
        dump = gzip.decompress(bytes.fromhex(_call(self._url, "anvil_dumpState")[2:]))
        part = self._path.with_suffix(".part")
        part.write_bytes(dump)
        part.replace(self._path)
        self._saved_head = head


def _call(url: str, method: str, *params: object) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_S) as response:
            answer = json.load(response)
    except (OSError, ValueError) as error:
        raise Unhealthy(f"no answer to {method}: {_reason(error)}") from error
    if not isinstance(answer, dict) or "result" not in answer:
        raise Unhealthy(f"{method} was refused; is this the JSON-RPC of an Ethereum node?")
    return answer["result"]


def _reason(error: Exception) -> str:
    return str(error.reason) if isinstance(error, urllib.error.URLError) else str(error)
