"""A submitter as a process of its own, for tests that kill it: RPC-URL FOLDER EPOCHS."""

import asyncio
import sys
from pathlib import Path

from streams.chain.deployment import load
from streams.chain.running import RunningSender
from streams.chain.sender import ChainSettings
from streams.chain.submit import Submit
from streams.clock import SystemClock
from tests.chain.conftest import OPERATOR, commitments_of, proofs


async def main(rpc_url: str, folder: Path, epochs: int) -> None:
    deployment = load(folder / "deployment.json")
    settings = ChainSettings(rpc_url, deployment.chain_id, local=True, confirmations=1)
    journal = folder / "journal.sqlite"
    sender = RunningSender(settings, journal, OPERATOR, SystemClock(), deployment)
    await Submit(sender).take([proofs(commitments_of("killed", deployment.domain(), epochs), 0)])
    while sum(sender.progress().certified.values()) < epochs:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    sender.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
