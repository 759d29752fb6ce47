"""A node that serves two Dapps, probes of both, and the account of both."""

from contextlib import ExitStack
from pathlib import Path

from streams import topics
from tests.integration import tally_program
from tests.integration.account import Account, Auditor
from tests.integration.following import Following
from tests.integration.recovery import Prober, driving_probes, tally_probe
from tests.integration.running import RunningNode

SAFE_DRIVING = "safe_driving"
_PROGRAM = Path(__file__).resolve().parents[2] / "wasm_programs" / SAFE_DRIVING
_DRIVING_PARTITIONS = 4


def add_dapps(node: RunningNode, scratch: Path) -> None:
    """`w3b dapp add`, twice."""
    node.w3b("dapp", "add", str(tally_program.write(scratch / tally_program.NAME)))
    node.w3b("dapp", "add", str(_PROGRAM))


def probers(node: RunningNode, stack: ExitStack) -> list[Prober]:
    """One for each Dapp."""
    plans = [
        (tally_program.NAME, tally_program.PARTITIONS, tally_probe),
        (SAFE_DRIVING, _DRIVING_PARTITIONS, driving_probes()),
    ]
    return [
        Prober(
            node,
            dapp,
            stack.enter_context(Following(node.settings, topics.results(dapp), partitions)),
            body,
        )
        for dapp, partitions, body in plans
    ]


def audit(node: RunningNode, probes: list[Prober], fleet: int) -> list[Account]:
    """The accounts of both Dapps; ``fleet``: how many messages of its were acknowledged."""
    tally, driving = probes
    accounts = []
    for dapp, probe, messages in (
        (tally_program.NAME, tally, len(tally.acknowledged)),
        (SAFE_DRIVING, driving, len(driving.acknowledged) + fleet),
    ):
        auditor = Auditor(node.settings, dapp)
        auditor.wait_until_settled()
        accounts.append(auditor.audit(probe.acknowledged, messages))
        auditor.close()
    return accounts


def problems_of(accounts: list[Account]) -> list[str]:
    """Whatever does not agree."""
    return [problem for account in accounts for problem in account.problems]
