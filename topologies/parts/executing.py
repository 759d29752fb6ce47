"""messages.<dapp> → a program → results, state, claims, effects, dead letters."""

from streams.chain.reads import ContractCalls
from streams.execution.files import file_answers, files_of
from streams.execution.outside import Ask
from streams.execution.worker import Worker
from topologies.programs import Programs
from topologies.stage import Emit, InThreads
from topologies.wiring import Wiring


def executing(wiring: Wiring, dapp: str, slot: str, emit: Emit) -> InThreads:
    """A worker for a Dapp, whose programs come from the file store."""
    settings = wiring.settings
    assert settings.chain_rpc_url is not None
    calls = ContractCalls(settings.chain_rpc_url, settings.chain_rpc_urls, wiring.clock)
    kept = file_answers(files_of(wiring.files, dapp), wiring.files)
    outside = {**kept, Ask.CALL_CONTRACT: calls.answer}
    programs = Programs(wiring.registry, wiring.files, dapp)
    return InThreads(Worker(wiring.kafka, dapp, programs, slot, emit, outside))
