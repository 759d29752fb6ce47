"""An owner's Ethereum account, as a wallet has it: signs what a page has it sign."""

import secrets
from datetime import UTC, datetime
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct

from streams.clock import Clock
from tests.endpoint.setting import Client

Headers = dict[str, str]


class Wallet:
    """One account, new."""

    def __init__(self, clock: Clock) -> None:
        self._account = Account.from_key(secrets.token_bytes(32))
        self._clock = clock
        self.did = f"did:pkh:eip155:4689:{self._account.address}"

    def sign(self, said: dict[str, Any], **change: Any) -> dict[str, str]:
        """A log-in, for what ``GET /v1/owners/nonce`` said; or for something else."""
        said = said | {"uri": f"https://{said['domain']}/devices"} | change
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        text = (
            f"{said['domain']} wants you to sign in with your Ethereum account:\n"
            f"{self._account.address}\n\nSee what is yours.\n\nURI: {said['uri']}\n"
            f"Version: 1\nChain ID: {said['chain_id']}\nNonce: {said['nonce']}\n"
            f"Issued At: {said.get('issued', now.isoformat(timespec='milliseconds'))}"
        )
        signed = self._account.sign_message(encode_defunct(text=text))
        return {"message": text, "signature": "0x" + bytes(signed.signature).hex()}

    async def log_in(self, client: Client) -> Headers:
        _, said = await client.ask("GET", "/v1/owners/nonce")
        status, answer = await client.ask("POST", "/v1/owners/session", json=self.sign(said))
        assert (status, answer.get("owner")) == (200, self.did), answer
        return {"Authorization": f"Bearer {answer['token']}"}
