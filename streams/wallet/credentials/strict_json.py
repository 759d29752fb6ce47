"""JSON that has one reading and one canonical form (RFC 7493, RFC 8785).

Two readers of an object with the same member twice, or of a number beyond a double, may see two
different documents in what one signature covers: such a document is refused before any
signature is looked at.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import orjson
import rfc8785

from streams import limits
from streams.wallet.credentials.faults import CredentialError, Fault

_DEPTH_MAX: Final = 32  # a credential is a few levels deep; canonicalising one recurses


def read_object(text: bytes | str) -> dict[str, Any]:
    """The JSON object in UTF-8 bytes.

    Raises:
        CredentialError: TOO_LARGE or MALFORMED_JSON.
    """
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if len(data) > limits.VC_BYTES_MAX:
        raise CredentialError(Fault.TOO_LARGE, f"a document may have {limits.VC_BYTES_MAX} bytes")
    try:
        # Python's own parser recurses as deeply as a limit allows that other libraries raise past
        # the end of the stack; this one has a fixed limit, and sees no member that comes twice.
        orjson.loads(data)
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except CredentialError:
        raise
    except (ValueError, RecursionError) as error:
        raise CredentialError(Fault.MALFORMED_JSON, f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CredentialError(Fault.MALFORMED_JSON, "not a JSON object")
    canonical(value)
    return value


def canonical(value: Mapping[str, Any]) -> bytes:
    """The JSON Canonicalization Scheme's form (RFC 8785).

    Raises:
        CredentialError: MALFORMED_JSON: it has none (numbers that no double holds, half a
            surrogate pair), or is nested too deeply.
    """
    _check_depth(value, _DEPTH_MAX)
    try:
        return rfc8785.dumps(dict(value))
    except rfc8785.CanonicalizationError as error:
        raise CredentialError(Fault.MALFORMED_JSON, f"no canonical form: {error}") from None


def _check_depth(value: object, room: int) -> None:
    if not isinstance(value, Mapping | list):
        return
    if room == 0:
        raise CredentialError(Fault.MALFORMED_JSON, f"nested deeper than {_DEPTH_MAX}")
    for one in value.values() if isinstance(value, Mapping) else value:
        _check_depth(one, room - 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise CredentialError(Fault.MALFORMED_JSON, "an object has a member twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise CredentialError(Fault.MALFORMED_JSON, f"{name} is not JSON")
