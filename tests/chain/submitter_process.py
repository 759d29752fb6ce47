"""A submitter as a process of its own, for tests that kill it: RPC-URL FOLDER EPOCHS."""

import asyncio
import sys
from pathlib import Path

from streams.chain.deployment import load
from streams.chain.submit import Submit
from streams.chain.submitter import ChainSettings
from streams.clock import SystemClock
from tests.chain.conftest import OPERATOR, commitments_of, proofs


async def main(rpc_url: str, folder: Path, epochs: int) -> None:
    deployment = load(folder / "deployment.json")
    settings = ChainSettings(rpc_url, local=True, confirmations=1)
    submit = Submit(settings, deployment, folder / "journal.sqlite", OPERATOR, SystemClock())
    running = asyncio.create_task(submit.run())
    await submit.take([proofs(commitments_of("killed", deployment.domain(), epochs), 0)])
    while sum(submit.progress().certified.values()) < epochs and not running.done():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    running.cancel()
    submit.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
