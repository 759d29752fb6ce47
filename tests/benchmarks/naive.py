"""The naive way to run a program: per event a fresh wasmtime instance, its host written in Python.

This is the baseline that the node's own engine is measured against, and a second opinion on
what a program does: it shares no code with `streams.execution`. It is as good as the approach
gets: the module is compiled once, the linker is made once, and only what a program imports is
looked up. It has no limits (fuel, memory, output), as W3bStream's original node had none, and it
keeps no logs of its own when they are not wanted.

A program's keyed state is a dict here. An event that traps leaves no trace in it; one that
returns a negative code leaves its writes, as on the original node.
"""

import base64
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from wasmtime import (
    Engine,
    Func,
    FuncType,
    Instance,
    Linker,
    Memory,
    Module,
    Store,
    Trap,
    ValType,
    WasiConfig,
    WasmtimeError,
)

OK, NOT_FOUND, TO_VM_FAILED, FROM_VM_FAILED, ENV_MISSING, ILLEGAL, FAILED = 0, 2, 5, 6, 8, 10, -1
LEVELS = ("panic", "fatal", "error", "warning", "info", "debug", "trace")
RID = 1  # the handle of the one resource that an event begins with
U32 = 0xFFFF_FFFF


@dataclass(slots=True)
class Outcome:
    """What one event did; the fields of a line of ``golden/expected.jsonl``."""

    code: int = OK
    error: str | None = None
    logs: list[tuple[str, str, str]] = field(default_factory=list)  # level, source, text
    kv: dict[bytes, bytes] = field(default_factory=dict)  # what changed
    results: list[bytes] = field(default_factory=list)
    claims: list[tuple[bytes, bytes]] = field(default_factory=list)  # subject, statement
    effects: list[tuple[str, bytes, bytes]] = field(default_factory=list)  # label, target, body

    def as_json(self) -> dict[str, Any]:
        """As ``wasm_programs/README.md`` describes a line of ``golden/expected.jsonl``."""

        def text(value: bytes) -> str:
            return value.decode("utf-8", "backslashreplace")

        return {
            "code": self.code,
            "error": self.error,
            "logs": [list(line) for line in self.logs],
            "kv": {text(key): base64.b64encode(self.kv[key]).decode() for key in sorted(self.kv)},
            "results": [json.loads(body) for body in self.results],
            "claims": [[text(subject), text(statement)] for subject, statement in self.claims],
            "effects": [[label, text(target), text(body)] for label, target, body in self.effects],
        }


class OutOfBounds(Exception):
    """A program's address and size that do not lie in its memory."""

    def __init__(self, said: str = "overflow") -> None:
        super().__init__(said)


class NaiveEngine:
    """One program, its keyed state, and its host functions."""

    def __init__(
        self,
        program: bytes,
        env: Mapping[str, str] | None = None,
        *,
        kept: bool = False,
        host_logs: bool = True,
    ) -> None:
        """Compile and link. ``kept``: one instance for all events, which is faster and lets an
        event see what the one before left. ``host_logs``: as W3bStream, log each access to state.

        Raises:
            wasmtime.WasmtimeError: not a module, or one that imports what nobody serves.
        """
        engine = Engine()
        self._module = Module(engine, program)
        self._env = {name.encode(): value.encode() for name, value in (env or {}).items()}
        self._linker = Linker(engine)
        self._wasi = any(i.module == "wasi_snapshot_preview1" for i in self._module.imports)
        if self._wasi:
            self._linker.define_wasi()
        served = self._host_functions()
        for wanted in self._module.imports:
            if (wanted.module, wanted.name) in served:
                kind, function = served[wanted.module, wanted.name]
                self._linker.define_func(wanted.module, wanted.name or "", kind, function)
        self._engine = engine
        self._kept = kept
        self._host_logs = host_logs
        self._instance: Instance | None = None
        self.state: dict[bytes, bytes] = {}
        self._store: Store
        self._memory: Memory
        self._alloc: Func | None = None
        self._begin("", b"", 0, b"")

    def handle(
        self, handler: str, payload: bytes, device: str, time_ms: int, event_type: str = "DEFAULT"
    ) -> Outcome:
        """Run ``handler`` on one event, in an instance of its own unless it is kept."""
        self._begin(event_type, device.encode(), time_ms, payload)
        outcome = self._outcome
        try:
            instance = self._instance or self._instantiate()
            if self._kept:
                self._instance = instance
            function = instance.exports(self._store).get(handler)
            if not isinstance(function, Func):
                outcome.code, outcome.error = FAILED, "no_handler"
                return outcome
            outcome.code = function(self._store, RID)
        except (Trap, WasmtimeError, OutOfBounds):
            self._instance = None
            return Outcome(code=FAILED, error="trap", logs=outcome.logs)
        if outcome.code < 0:
            outcome.error = "returned_error"
        self.state.update(outcome.kv)
        return outcome

    def _begin(self, event_type: str, device: bytes, time_ms: int, payload: bytes) -> None:
        self._event_type = event_type.encode()
        self._device = device
        self._time_ms = time_ms
        self._resources = {RID: payload}
        self._outcome = Outcome()

    def _instantiate(self) -> Instance:
        self._store = Store(self._engine)
        if self._wasi:
            self._store.set_wasi(WasiConfig())
        instance = self._linker.instantiate(self._store, self._module)
        exports = instance.exports(self._store)
        memory, alloc = exports.get("memory"), exports.get("alloc")
        if not isinstance(memory, Memory):
            raise WasmtimeError("the program exports no memory")
        self._memory = memory
        self._alloc = alloc if isinstance(alloc, Func) else None
        return instance

    # --- memory ---------------------------------------------------------------------------------

    def _read(self, address: int, size: int) -> bytes:
        address, size = address & U32, size & U32
        if address + size > self._memory.data_len(self._store):
            raise OutOfBounds()
        return bytes(self._memory.read(self._store, address, address + size))

    def _write(self, address: int, value: bytes) -> None:
        address &= U32
        if address + len(value) > self._memory.data_len(self._store):
            raise OutOfBounds()
        self._memory.write(self._store, value, address)

    def _give(self, value: bytes, p_address: int, p_size: int) -> int:
        """Fill an out pair: bytes that the program's own ``alloc`` made room for."""
        if self._alloc is None:
            return self._failed(TO_VM_FAILED, "alloc is nil")
        address = self._alloc(self._store, len(value)) & U32
        try:
            self._write(address, value)
        except OutOfBounds:
            return self._failed(TO_VM_FAILED, "fail to copy data")
        try:
            self._write(p_address, address.to_bytes(4, "little"))
            self._write(p_size, len(value).to_bytes(4, "little"))
        except OutOfBounds:
            return self._failed(TO_VM_FAILED, "overflow")
        return OK

    def _log(self, level: str, source: str, text: str) -> None:
        self._outcome.logs.append((level, source, text))

    def _failed(self, code: int, why: str) -> int:
        self._log("error", "wasmExportFunc", why)
        return code

    def _log_pair(self, verb: str, key: bytes, value: bytes) -> None:
        if self._host_logs:
            name = key.decode("utf-8", "backslashreplace")
            self._log("info", "wasmExportFunc", f"host.{verb} {name}:{quoted(value)}")

    # --- what programs import -------------------------------------------------------------------

    def _host_functions(self) -> dict[tuple[str, str], tuple[FuncType, Callable[..., Any]]]:
        i32, i64, f64 = ValType.i32(), ValType.i64(), ValType.f64()

        def code(parameters: int) -> FuncType:
            return FuncType([i32] * parameters, [i32])

        return {
            ("env", "abort"): (FuncType([i32] * 4, []), self._abort),
            ("env", "trace"): (FuncType([i32, i32] + [f64] * 5, []), self._trace),
            ("env", "seed"): (FuncType([], [f64]), self._seed),
            ("env", "ws_log"): (code(3), self._ws_log),
            ("env", "ws_get_data"): (code(3), self._get_data),
            ("env", "ws_set_data"): (code(3), self._set_data),
            ("env", "ws_get_mqtt_msg"): (code(5), self._get_mqtt_msg),
            ("env", "ws_get_db"): (code(4), self._get_db),
            ("env", "ws_set_db"): (code(4), self._set_db),
            ("env", "ws_get_env"): (code(4), self._get_env),
            ("env", "ws_send_mqtt_msg"): (code(4), self._send_mqtt),
            ("stat", "ws_submit_metrics"): (code(2), self._submit_metrics),
            ("w3b", "result"): (code(2), self._result),
            ("w3b", "claim"): (code(4), self._claim),
            ("w3b", "event_type"): (code(2), lambda p, n: self._give(self._event_type, p, n)),
            ("w3b", "device"): (code(2), lambda p, n: self._give(self._device, p, n)),
            ("w3b", "time"): (FuncType([], [i64]), lambda: self._time_ms),
        }

    def _utf16(self, address: int) -> str:
        """An AssemblyScript string: its length in bytes lies 4 before it."""
        if address < 4:
            raise OutOfBounds(f"the pointer address {address} is invalid")
        size = int.from_bytes(self._read(address - 4, 4), "little")
        return self._read(address, size).decode("utf-16-le", "replace")

    def _abort(self, message: int, file: int, line: int, column: int) -> None:
        try:
            text = f"abort: {self._utf16(message)} at {self._utf16(file)}:{line}:{column}"
        except OutOfBounds as error:
            text = f"fail to decode arguments in env.abort: {error}"
        self._log("error", "wasmExportFunc", text)

    def _trace(self, message: int, n: int, *numbers: float) -> None:
        try:
            said = self._utf16(message)
        except OutOfBounds as error:
            self._failed(FAILED, f"fail to decode arguments in env.abort: {error}")
            return
        shown = ", ".join(_shortest(number) for number in numbers[: max(0, n)])
        self._log("info", "wasmExportFunc", f"trace: {said} {shown}" if shown else f"trace: {said}")

    def _seed(self) -> float:
        # Of the message, as replays must agree; no other engine's numbers are reproduced here.
        return random.Random(self._device + self._resources[RID]).random() * self._time_ms * 1e6

    def _ws_log(self, level: int, address: int, size: int) -> int:
        name = LEVELS[level] if 0 <= level < len(LEVELS) else "unknown"
        try:
            text = self._read(address, size)
        except OutOfBounds as error:
            self._log("error", "wasmCode", str(error))
            return FAILED
        self._log(name, "wasmCode", text.decode("utf-8", "backslashreplace"))
        return OK

    def _get_data(self, rid: int, p_address: int, p_size: int) -> int:
        if rid not in self._resources:
            return NOT_FOUND
        return self._give(self._resources[rid], p_address, p_size)

    def _get_mqtt_msg(self, rid: int, p_topic: int, n_topic: int, p_data: int, n_data: int) -> int:
        if rid not in self._resources:
            return NOT_FOUND
        code = self._give(self._event_type, p_topic, n_topic)
        return code or self._give(self._resources[rid], p_data, n_data)

    def _set_data(self, rid: int, address: int, size: int) -> int:
        self._resources[rid] = self._read(address, size)
        return OK

    def _get_db(self, key: int, key_size: int, p_address: int, p_size: int) -> int:
        name = self._read(key, key_size)
        value = self._outcome.kv.get(name, self.state.get(name))
        if value is None:
            return NOT_FOUND
        self._log_pair("GetDB", name, value)
        return self._give(value, p_address, p_size)

    def _set_db(self, key: int, key_size: int, value: int, value_size: int) -> int:
        name, given = self._read(key, key_size), self._read(value, value_size)
        self._log_pair("SetDB", name, given)
        self._outcome.kv[name] = given
        return OK

    def _get_env(self, key: int, key_size: int, p_address: int, p_size: int) -> int:
        value = self._env.get(self._read(key, key_size))
        return ENV_MISSING if value is None else self._give(value, p_address, p_size)

    def _send_mqtt(self, topic: int, topic_size: int, message: int, message_size: int) -> int:
        target, body = self._read(topic, topic_size), self._read(message, message_size)
        self._outcome.effects.append(("mqtt", target, body))
        return OK

    def _submit_metrics(self, address: int, size: int) -> int:
        body = self._read(address, size)
        if not _is_json(body):
            return self._failed(FAILED, "invalid json")
        if body.lstrip().startswith(b"["):
            return self._failed(FAILED, "json object should not be an array")
        self._outcome.effects.append(("metrics", b"", body))
        return OK

    def _result(self, address: int, size: int) -> int:
        body = self._read(address, size)
        if not body.lstrip().startswith(b"{") or not _is_json(body):
            return ILLEGAL
        self._outcome.results.append(body)
        return OK

    def _claim(self, subject: int, subject_size: int, address: int, size: int) -> int:
        statement = self._read(address, size)
        self._outcome.claims.append((self._read(subject, subject_size), statement))
        return OK


_ESCAPES = {**{chr(i): f"\\x{i:02x}" for i in (*range(32), 127)}, '"': '\\"', "\\": "\\\\"}
_ESCAPES |= dict(zip("\a\b\f\n\r\t\v", ("\\" + c for c in "abfnrtv"), strict=True))


def quoted(value: bytes) -> str:
    """Go's strconv.Quote, as far as Python's own idea of what is printable agrees with it."""

    def shown(character: str) -> str:
        point = ord(character)
        if 0xDC80 <= point <= 0xDCFF:  # a byte that is no UTF-8
            return f"\\x{point - 0xDC00:02x}"
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character.isprintable():
            return character
        return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"

    return f'"{"".join(map(shown, value.decode("utf-8", "surrogateescape")))}"'


def _shortest(number: float) -> str:
    """Go's %v of a float64: with an exponent below 1e-04 and from 1e+06 on."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else f"{'+' if number > 0 else '-'}Inf"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    shown = int(exponent) + len(digits) - 1
    if number and not -4 <= shown < 6:
        rest = "." + "".join(map(str, digits[1:])) if len(digits) > 1 else ""
        return f"{'-' * sign}{digits[0]}{rest}e{shown:+03d}"
    return repr(number).removesuffix(".0")


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
