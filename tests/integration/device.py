"""A device at a node's HTTP door that must not lose a message."""

import base64
import http.client
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from streams.wallet.did import KeyKind
from streams.wallet.keys import SigningKey, generate

PATIENCE_S = 90.0
_PAUSE_S = 0.1
JSON = "application/json"
NDJSON = "application/x-ndjson"
ENVELOPES = "application/vnd.w3b.envelopes+x-ndjson"
_NOT_NOW = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status and its JSON."""

    status: int
    body: dict[str, Any]

    @property
    def error(self) -> str:
        """The refusal's name."""
        return str(self.body.get("error", ""))


class Device:
    """A key, and requests that it signs for."""

    def __init__(self, url: str, key: SigningKey | None = None) -> None:
        self._address = urlsplit(url).netloc
        self.key = key or generate(KeyKind.ED25519)
        self.did = self.key.did
        self.token = ""

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> Answer:
        """One request on a connection of its own.

        Raises:
            OSError, http.client.HTTPException: nobody answers.
        """
        connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            target = f"{path}?{urlencode(query)}" if query else path
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read() or b"{}"))
        finally:
            connection.close()

    def sign_on(self) -> None:
        """Prove the key, get a token; patient."""
        self.token = self._patiently(self._prove).body["token"]

    def _prove(self) -> Answer:
        challenge = self.ask("POST", "/v1/challenges", _json(device=self.did))
        if challenge.status != 200:
            return challenge
        text = challenge.body["challenge"]
        signature = base64.urlsafe_b64encode(self.key.sign(text.encode())).decode()
        return self.ask(
            "POST", "/v1/tokens", _json(device=self.did, challenge=text, signature=signature)
        )

    def post(
        self,
        dapp: str,
        body: bytes,
        content_type: str = JSON,
        token: str | None = None,
        **query: str,
    ) -> Answer:
        """Send a body once; the answer, whatever it is."""
        if not self.token and token is None:
            self.sign_on()
        held = self.token if token is None else token
        headers = {"Content-Type": content_type}
        if held:
            headers["Authorization"] = f"Bearer {held}"
        return self.ask("POST", f"/v1/dapps/{dapp}/messages", body, headers, **query)

    def deliver(self, dapp: str, body: bytes, content_type: str = JSON, **query: str) -> list[str]:
        """Send a body, with one id, until it is acknowledged; the messages' ids."""
        query = {"id": str(uuid.uuid4())} | query
        answer = self._patiently(lambda: self.post(dapp, body, content_type, **query))
        assert answer.status == 202, answer
        ids: list[str] = answer.body["ids"]
        return ids

    def _patiently(self, request: Any) -> Answer:
        end_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer: Answer = request()
                if answer.status not in _NOT_NOW:
                    return answer
                last: object = answer
            except (OSError, http.client.HTTPException, ValueError) as error:
                last = error
            assert time.monotonic() < end_s, f"no acknowledgement in {PATIENCE_S} s: {last}"
            time.sleep(_PAUSE_S)


def _json(**fields: str) -> bytes:
    return json.dumps(fields).encode()
