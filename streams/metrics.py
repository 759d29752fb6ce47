"""Every metric of a node, declared in one place. Labels are bounded: no device ids, no texts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# --- every stage ---------------------------------------------------------------------------------
LAG_MESSAGES: Final = Gauge(
    "w3b_lag_messages",
    "Records in the log that a stage has not taken yet; no Dapp: of the topics that all share.",
    ["stage", "dapp"],
)
LAG_SECONDS: Final = Gauge(
    "w3b_lag_seconds", "How long the oldest of them has waited at most.", ["stage", "dapp"]
)
STAGE_FAILURES: Final = Counter(
    "w3b_stage_failures_total", "Times that a stage failed and was made anew.", ["stage", "dapp"]
)

# --- endpoint ------------------------------------------------------------------------------------
ENDPOINT_MESSAGES: Final = Counter(
    "w3b_endpoint_messages_total", "Messages that Kafka has, by door and Dapp.", ["door", "dapp"]
)
ENDPOINT_REFUSALS: Final = Counter(
    "w3b_endpoint_refusals_total", "Requests refused, by door and reason.", ["door", "reason"]
)
ENDPOINT_ACKNOWLEDGE_SECONDS: Final = Histogram(
    "w3b_endpoint_acknowledge_seconds",
    "From a request's messages to Kafka's acknowledgement of all of them.",
    ["door"],
    buckets=_SECONDS,
)

ENDPOINT_GRPC_STREAMS: Final = Gauge(
    "w3b_endpoint_grpc_streams", "Streams of messages over gRPC that are open."
)
ENDPOINT_MQTT_CONNECTIONS: Final = Gauge(
    "w3b_endpoint_mqtt_connections", "Clients whose CONNECT was accepted and that are there."
)
ENDPOINT_DOWNLINKS: Final = Counter(
    "w3b_endpoint_downlinks_total",
    "Messages of programs to MQTT clients by what became of them: acknowledged, sent, lost.",
    ["outcome"],
)

# --- execute -------------------------------------------------------------------------------------
EXECUTE_MESSAGES: Final = Counter(
    "w3b_execute_messages_total",
    "Messages that a program has run on, by outcome: processed, repeat, dead.",
    ["dapp", "outcome"],
)
EXECUTE_DEAD: Final = Counter(
    "w3b_execute_dead_letters_total", "Dead letters by reason.", ["dapp", "reason"]
)
EXECUTE_OUTPUTS: Final = Counter(
    "w3b_execute_outputs_total", "Records that execute wrote, by kind.", ["dapp", "kind"]
)
EXECUTE_BATCH_MESSAGES: Final = Histogram(
    "w3b_execute_batch_messages",
    "Messages in a batch.",
    ["dapp"],
    buckets=(1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000),
)
EXECUTE_RUN_SECONDS: Final = Histogram(
    "w3b_execute_run_seconds", "Time a batch spends in wasm.", ["dapp"], buckets=_SECONDS
)
EXECUTE_COMMIT_SECONDS: Final = Histogram(
    "w3b_execute_commit_seconds",
    "Time a batch's transaction takes to write and commit.",
    ["dapp"],
    buckets=_SECONDS,
)
EXECUTE_ABORTS: Final = Counter(
    "w3b_execute_aborts_total", "Transactions that were aborted and run again.", ["dapp"]
)
EXECUTE_RENEWALS: Final = Counter(
    "w3b_execute_instance_renewals_total",
    "Instances made anew after an event that changed what restoring does not undo.",
    ["dapp"],
)
EXECUTE_STATE_KEYS: Final = Gauge(
    "w3b_execute_state_keys", "Keys of keyed state.", ["dapp", "partition"]
)
EXECUTE_STATE_BYTES: Final = Gauge(
    "w3b_execute_state_bytes", "Bytes of keyed state.", ["dapp", "partition"]
)
EXECUTE_SQL_BYTES: Final = Gauge(
    "w3b_execute_sql_bytes", "Bytes of rows of SQL tables, as JSON.", ["dapp", "partition"]
)
EXECUTE_STATE_SHARE: Final = Gauge(
    "w3b_execute_state_share",
    "Keyed state's share of its ceiling, of bytes or of keys: at 1 events fail that write more.",
    ["dapp", "partition"],
)
EXECUTE_EPOCH: Final = Gauge("w3b_execute_epoch", "The open epoch.", ["dapp", "partition"])

# --- the registry --------------------------------------------------------------------------------
REGISTRY_ENTRIES: Final = Gauge("w3b_registry_entries", "Entries known, by kind.", ["kind"])
REGISTRY_UNREADABLE: Final = Counter(
    "w3b_registry_unreadable_total", "Records on the registry's topic that hold no entry."
)
REGISTRY_HELD: Final = Gauge(
    "w3b_registry_held_devices", "Devices held because their owners' credentials do not hold."
)

# --- store ---------------------------------------------------------------------------------------
STORE_ROWS: Final = Counter(
    "w3b_store_rows_total", "Rows that are in ClickHouse.", ["dapp", "table"]
)
STORE_REPEATS: Final = Counter(
    "w3b_store_repeats_total", "Messages that made no row, being repeats.", ["dapp"]
)
STORE_ASIDE: Final = Counter(
    "w3b_store_aside_total",
    "Records put into the dead letters by the sink: misplaced ones, refused rows.",
    ["dapp", "cause"],
)
STORE_RETRIES: Final = Counter(
    "w3b_store_retries_total",
    "Attempts that have to be made again, by whose trouble it was: away, server, kafka.",
    ["cause"],
)
for _cause in ("away", "server", "kafka"):
    STORE_RETRIES.labels(_cause)  # at 0: a rate needs a value before
STORE_COMPLETED_ROWS: Final = Counter(
    "w3b_store_completed_rows_total",
    "Rows that ClickHouse had lost of a block that was sent again, and that were put back.",
)
STORE_BLOCK_ROWS: Final = Histogram(
    "w3b_store_block_rows",
    "Rows of a block.",
    ["table"],
    buckets=(1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000),
)
STORE_INSERT_SECONDS: Final = Histogram(
    "w3b_store_insert_seconds", "Time an insert takes.", ["table"], buckets=_SECONDS
)
STORE_FRESHNESS_SECONDS: Final = Histogram(
    "w3b_store_freshness_seconds",
    "From a block's newest record in the log to its rows in ClickHouse.",
    ["table"],
    buckets=_SECONDS,
)
STORE_DEVICE_FRESHNESS_SECONDS: Final = Histogram(
    "w3b_store_device_freshness_seconds",
    "From the device's own time of a message to its row in ClickHouse, of one message a block.",
    ["dapp"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400),
)
STORE_WAITING_BYTES: Final = Gauge(
    "w3b_store_waiting_bytes", "Rows that wait to be inserted, in bytes."
)

# --- close ---------------------------------------------------------------------------------------
CLOSED_EPOCH: Final = Gauge(
    "w3b_closed_epoch", "The latest epoch whose barriers are out.", ["dapp"]
)

# --- agree ---------------------------------------------------------------------------------------
AGREE_SUMMARIES: Final = Counter(
    "w3b_agree_summaries_total",
    "Summaries of partitions by what they did: waiting, complete, repeated, contradicted, late, "
    "no_partition, mixed_programs.",
    ["dapp", "heard"],
)
AGREE_EPOCH: Final = Gauge("w3b_agree_epoch", "The latest epoch that became final.", ["dapp"])
AGREE_TIMESTAMP: Final = Gauge(
    "w3b_agree_timestamp_seconds",
    "When the latest epoch became final, in seconds since 1970.",
    ["dapp"],
)

# --- submit --------------------------------------------------------------------------------------
SUBMIT_COMMITMENTS: Final = Counter(
    "w3b_submit_commitments_total",
    "Commitments by what became of them: taken, sent, mined, confirmed, certified_before, "
    "reverted, refused, displaced, other_contract.",
    ["dapp", "outcome"],
)
SUBMIT_TRANSACTIONS: Final = Counter(
    "w3b_submit_transactions_total",
    "Transactions by what was done: signed, sent, sent_again, bumped, gap_filled, unmined.",
    ["action"],
)
SUBMIT_ERRORS: Final = Counter(
    "w3b_submit_errors_total", "The chain's refusals to take a transaction, by class.", ["error"]
)
REQUEST_OUTCOMES: Final = Counter(
    "w3b_submit_requests_total",
    "Transactions that programs asked for, by what became of them: confirmed, reverted, failed, "
    "displaced.",
    ["dapp", "outcome"],
)
_SENDER: Final = ["chain", "account"]
SUBMIT_CHAIN_UP: Final = Gauge("w3b_submit_chain_up", "1 while the chain answers.", _SENDER)
SUBMIT_HEAD: Final = Gauge("w3b_submit_chain_head", "The chain's latest block.", _SENDER)
SUBMIT_QUEUED: Final = Gauge("w3b_submit_queued", "Calls that wait to be sent.", _SENDER)
SUBMIT_IN_FLIGHT: Final = Gauge("w3b_submit_in_flight", "Transactions sent and not mined.", _SENDER)
SUBMIT_GAS: Final = Gauge(
    "w3b_submit_gas_used", "Gas used by all transactions on the chain.", _SENDER
)
SUBMIT_EPOCH: Final = Gauge("w3b_submit_epoch", "The latest epoch confirmed on chain.", ["dapp"])

# --- watch ---------------------------------------------------------------------------------------
WATCH_MESSAGES: Final = Counter(
    "w3b_watch_messages_total", "Messages of schedules and monitors.", ["dapp", "kind"]
)

# --- act -----------------------------------------------------------------------------------------
EFFECTS: Final = Counter(
    "w3b_effects_total", "Effects of programs that left the node, by label.", ["dapp", "label"]
)
EFFECTS_REFUSED: Final = Counter(
    "w3b_effects_refused_total",
    "Effects that could not be carried out and are dead letters.",
    ["dapp", "label"],
)
