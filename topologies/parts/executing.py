"""messages.<dapp> → a program → results, state, claims, effects, dead letters."""

from streams.chain.reads import ContractCalls
from streams.execution.files import file_answers
from streams.execution.outside import Ask
from streams.execution.program import load
from streams.execution.worker import Worker
from streams.registry.entries import Dapp
from topologies.programs import specification_of
from topologies.stage import Emit, InThreads
from topologies.wiring import Wiring


def executing(wiring: Wiring, dapp: Dapp, slot: str, emit: Emit) -> InThreads:
    """A worker for a Dapp, its program loaded from the file store.

    Raises:
        BlobError: the program is not there. ProgramError: it cannot be served.
    """
    program = load(wiring.files.get(dapp.program_sha256), specification_of(dapp.manifest))
    settings = wiring.settings
    assert settings.chain_rpc_url is not None
    calls = ContractCalls(settings.chain_rpc_url, settings.chain_rpc_urls, wiring.clock)
    outside = {**file_answers(wiring.files), Ask.CALL_CONTRACT: calls.answer}
    return InThreads(Worker(wiring.kafka, dapp.name, program, slot, emit, outside))
