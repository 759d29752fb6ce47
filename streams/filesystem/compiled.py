"""Machine code of WebAssembly modules: compiled once a node, not once a process.

Compiling the driver and a program of the AssemblyScript SDK takes 0.24 s of CPU, as much in each
process that executes, at every start; taking them as they were kept takes 0.01 s. So machine code
is kept in the file store, by what it was made of: the module's bytes, wasmtime's version and the
kind of machine; wasmtime itself looks whether it fits the engine's settings and the processor.

Machine code is not checked when it is run: whoever can write it owns the process. A program's
name is the hash of its bytes, which says nothing about who compiled it. So what is kept carries a
MAC under a secret of this node (HMAC-SHA256, RFC 2104), over its name too; what does not agree,
or another node made, is compiled anew. Without a secret nothing is kept.
"""

import hashlib
import hmac
import logging
import platform
from functools import cache
from importlib.metadata import version
from typing import Final

import wasmtime

from streams.filesystem.store import FileStore

log = logging.getLogger(__name__)

_FOLDER: Final = "compiled"
_MAC_BYTES: Final = 32


class CompiledModules:
    """What one node has compiled. For any thread.

    Args:
        store: the node's file store; machine code lies in a folder of it.
        secret: what only this node knows.
    """

    def __init__(self, store: FileStore, secret: bytes) -> None:
        self._files = store.within(_FOLDER)
        self._secret = secret

    def get(self, binary: bytes) -> bytes | None:
        """The machine code of a module, if this node made and kept it.

        Raises:
            OSError: the store cannot be read.
        """
        name = self._name(binary)
        sealed = self._files.find(name)
        if sealed is None:
            return None
        mac, code = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        return code if hmac.compare_digest(mac, self._mac(name, code)) else None

    def put(self, binary: bytes, code: bytes) -> None:
        """Keep a module's machine code.

        Raises:
            OSError: the store cannot be written.
        """
        name = self._name(binary)
        self._files.keep(name, self._mac(name, code) + code)

    def forget(self, before_s: float) -> int:
        """Remove what was compiled before a Unix time, to be made anew if needed; how many.

        Raises:
            OSError: the store cannot be read or written.
        """
        return self._files.remove_older(before_s)

    def _name(self, binary: bytes) -> str:
        made_of = hashlib.sha256(binary).digest()
        return self._hmac(b"name\0", _made_by(), b"\0", made_of).hex()

    def _mac(self, name: str, code: bytes) -> bytes:
        return self._hmac(b"code\0", name.encode(), b"\0", code)

    def _hmac(self, *parts: bytes) -> bytes:
        return hmac.digest(self._secret, b"".join(parts), "sha256")


_kept: CompiledModules | None = None


def keep_in(modules: CompiledModules | None) -> None:
    """From now on this process keeps what it compiles there; None: nowhere."""
    global _kept  # as engines, it is the whole process's
    _kept = modules


def compiled(engine: wasmtime.Engine, source: bytes | str) -> wasmtime.Module:
    """A module of WebAssembly, binary or text, compiled or as it was kept.

    Raises:
        wasmtime.WasmtimeError: it does not validate.
    """
    binary = source if isinstance(source, bytes) else bytes(wasmtime.wat2wasm(source))
    kept = _kept
    if kept is None:
        return wasmtime.Module(engine, binary)
    try:
        code = kept.get(binary)
        if code is not None:
            return wasmtime.Module.deserialize(engine, code)
    except (OSError, wasmtime.WasmtimeError) as error:  # of an engine with other settings
        log.warning("a compiled module cannot be used, and is made anew: %s", error)
    module = wasmtime.Module(engine, binary)
    try:
        kept.put(binary, bytes(module.serialize()))
    except OSError as error:
        log.warning("a compiled module cannot be kept: %s", error)
    return module


@cache
def _made_by() -> bytes:
    return f"wasmtime {version('wasmtime')} {platform.system()} {platform.machine()}".encode()
