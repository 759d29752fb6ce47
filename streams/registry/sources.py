"""Where a Dapp's events come from besides devices: ``[[schedule]]`` and ``[[monitor]]``."""

from typing import Annotated, Final, Literal

from croniter import croniter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from streams import limits

MONITOR_DEFAULT: Final = "MONITOR_DEFAULT"
_CRON_FIELDS: Final = 5

_EventType = Annotated[str, Field(min_length=1, max_length=limits.EVENT_TYPE_BYTES_MAX)]
_Hash = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{64}$")]


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ScheduleSection(_Source):
    """``[[schedule]]``: an event at each tick of a cron expression, in UTC."""

    cron: str
    event_type: _EventType

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        if len(cron.split()) != _CRON_FIELDS or not croniter.is_valid(cron):
            raise ValueError(
                f"{cron[:80]!r} is no cron expression of five fields, as */5 * * * * is: minute, "
                "hour, day of the month, month, day of the week"
            )
        return cron


class _Monitor(_Source):
    """What every ``[[monitor]]`` has.

    Attributes:
        chain: EIP-155's id; None: the node's own chain.
        confirmations: blocks, its own included, after which something counts as having happened.
    """

    chain: Annotated[int, Field(ge=1)] | None = None
    confirmations: Annotated[int, Field(ge=1, le=limits.MONITOR_CONFIRMATIONS_MAX)] = 6
    event_type: _EventType = MONITOR_DEFAULT


class ContractLogMonitor(_Monitor):
    """``kind = "contract_log"``: an event for each log of a contract.

    Attributes:
        address: the contract's.
        topics: what the log's topics have to be, in their order; an empty text takes any.
        from_block: where to begin; None: where the chain is when the monitor is first seen.
    """

    kind: Literal["contract_log"]
    address: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
    topics: Annotated[list[_Hash | Literal[""]], Field(max_length=4)] = []
    from_block: Annotated[int, Field(ge=0)] | None = None


class ChainTxMonitor(_Monitor):
    """``kind = "chain_tx"``: one event, when a transaction is in a block."""

    kind: Literal["chain_tx"]
    hash: _Hash


class ChainHeightMonitor(_Monitor):
    """``kind = "chain_height"``: one event, when the chain has a block of this number."""

    kind: Literal["chain_height"]
    height: Annotated[int, Field(ge=0)]


MonitorSection = Annotated[
    ContractLogMonitor | ChainTxMonitor | ChainHeightMonitor, Field(discriminator="kind")
]
