"""Every limit of a node, each with its reason. Relations between them are asserted below."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# --- a message ----------------------------------------------------------------------------------
PAYLOAD_BYTES_MAX: Final = 256 * KIB  # one event's input; larger things belong in the file system
DEVICE_BYTES_MAX: Final = 256  # a DID: did:key with secp256k1 is 57 bytes, did:web may be longer
EVENT_TYPE_BYTES_MAX: Final = 64  # W3bStream's event types are short words
REQUEST_BYTES_MAX: Final = 8 * MIB  # an NDJSON body: 40,000 telemetry messages of 200 bytes
REQUEST_MESSAGES_MAX: Final = 20_000  # a body is held in memory until Kafka has it
TIME_MS_MAX: Final = 7_258_118_399_999  # the end of 2199; ClickHouse's DateTime64 ends in 2299
RECORD_BYTES_MAX: Final = 1 * MIB  # Kafka's own default for one record
OUTPUT_RECORD_BYTES_MAX: Final = 4 * MIB  # what execute writes of one record: see the assertions

# --- a door -------------------------------------------------------------------------------------
APPEND_TIMEOUT_MS: Final = 8_000  # Kafka restarts in less; a client waits no longer for its answer
APPEND_MESSAGES_MAX: Final = 200_000  # waiting for Kafka, all requests together: 50 MB of telemetry
ANSWER_WAIT_S: Final = 5  # for what becomes of an event, as W3bStream's clients are used to
TRANSACTION_RECORDS: Final = 20_000  # a group is closed past it: its last one answers in 0.2 s
RATE_BURST_S: Final = 10  # a sender that was quiet may catch up with so many seconds' messages
BODY_WAIT_S: Final = 30  # from a request's headers to the end of its body
KEEP_ALIVE_S: Final = 75  # a connection without a (whole) request's headers is closed after it
CREDENTIAL_BYTES_MAX: Final = 4 * KIB  # a token, or a body that asks for one
TOKENS_CACHED_MAX: Final = 65_536  # checked before: 20 MB that save an HMAC and a parse a request
CHALLENGES_USED_MAX: Final = 262_144  # each is kept for CHALLENGE_LIFE_S: 4,000 log-ins a second

# --- the MQTT door ------------------------------------------------------------------------------
MQTT_CONNECTIONS_MAX: Final = 50_000  # of one process: some 20 KB each while idle
MQTT_DEVICE_CONNECTIONS_MAX: Final = 16  # of one device: a gateway's few programs
MQTT_CONNECT_WAIT_S: Final = 10  # from a connection to its CONNECT; who dials and says nothing goes
MQTT_CONNECT_BYTES_MAX: Final = 80 * KIB  # a token, and a last will of at most 64 KiB
MQTT_PACKET_BYTES_MAX: Final = PAYLOAD_BYTES_MAX + 16 * KIB  # a payload, its topic, its properties
MQTT_WEBSOCKET_BYTES_MAX: Final = (
    2 * MQTT_PACKET_BYTES_MAX
)  # a frame: a packet, or several small ones
MQTT_RECEIVE_MAX: Final = 128  # not acknowledged yet, a connection; clients use some 20 by default
TLS_LOOK_S: Final = 60  # between two looks at the certificate's files: they are renewed days early
MQTT_TOPICS_CACHED_MAX: Final = 4_096  # what their names say: one for each Dapp and event type
MQTT_HELD_IDS_MAX: Final = 4_096  # of QoS 2, not released yet, of a session
MQTT_UNASKED_MAX: Final = 4_096  # of QoS 0 under way, a connection; then it is read no further
MQTT_ANSWERS_MAX: Final = 10_000  # events whose outcome is awaited; others are taken without one
MQTT_KEEP_ALIVE_S_MAX: Final = 1_200  # for who wants none: a half-open connection ends some time
MQTT_SESSION_S: Final = 86_400  # without a connection: who sleeps for a day hears what it missed
MQTT_RECOGNISED_S: Final = 3_600  # or whoever it was: which messages are sent again
MQTT_SUBSCRIPTIONS_MAX: Final = 64  # of a session: its own few topics
MQTT_FILTER_CHARACTERS_MAX: Final = 1_024
MQTT_OUTBOX_WINDOW: Final = 20  # sent and not acknowledged; what clients of 3.1.1 can be expected
MQTT_OUTBOX_MESSAGES_MAX: Final = (
    1_000  # waiting for one client, as mosquitto has it: the oldest go
)
MQTT_OUTBOX_BYTES_MAX: Final = 1 * MIB
MQTT_OUTBOXES_BYTES_MAX: Final = 256 * MIB  # waiting for all clients of a process: the newest go
MQTT_DOWNLINK_LEVELS_MAX: Final = 32  # of a topic in which devices' names are looked for
MQTT_SESSIONS_MAX: Final = (
    200_000  # of one process, connected or not; the longest unused goes first
)
MQTT_WRITE_BYTES_MAX: Final = (
    256 * KIB
)  # waiting for a client that does not read; then it is not read

# --- the gRPC door ------------------------------------------------------------------------------
GRPC_REQUEST_BYTES_MAX: Final = REQUEST_BYTES_MAX + 1 * MIB  # payloads, and what frames 20,000
GRPC_UPLOAD_BYTES_MAX: Final = 17 * MIB  # an operator's: the largest program, and its manifest
GRPC_METADATA_BYTES_MAX: Final = 16 * KIB  # a token, and what clients add
GRPC_CALLS_MAX: Final = 10_000  # under way in one process, streams too: some 20 KB each
GRPC_STREAM_UNTOLD_MAX: Final = 1_000  # of a stream: taken, but their outcome has not been told
GRPC_IDLE_S: Final = 600  # a connection without a call is closed after it

# --- operators' calls ---------------------------------------------------------------------------
UPLOAD_BODY_BYTES_MAX: Final = 23 * MIB  # a program in base64, and its manifest
OPERATOR_BODY_BYTES_MAX: Final = 256 * KIB  # a statement, or some thousand Dapps to grant

# --- delivery -----------------------------------------------------------------------------------
BATCH_MESSAGES_MAX: Final = 5_000  # past it a batch's transaction is amortised; before it is not
EXECUTE_MESSAGES_MAX: Final = 20_000  # a transaction takes some 35 ms however small it is
BATCH_WAIT_MS: Final = 20  # how long a batch waits for its first messages
BATCH_QUEUE_MAX: Final = 2  # batches fetched ahead of the one at work: more only costs memory
TRANSACTION_TIMEOUT_MS: Final = 10_000  # a dead worker's transaction hides what follows this long
SESSION_TIMEOUT_MS: Final = 10_000  # a dead worker's partitions move after this
READER_STOP_S: Final = 15  # its last batch commits (a transaction ends in 10 s), then it leaves
RECONNECT_WAIT_MS: Final = 1_000  # between attempts to reach a broker that has gone
FETCH_QUEUE_KIB: Final = 16 * KIB  # librdkafka's read-ahead, a consumer
STATISTICS_MS: Final = 5_000  # between two looks at a reader's lag: as often as Prometheus looks
ABSENT_S_MAX: Final = 60  # a reader that is out of its group for longer gets another client
FETCH_BACKOFF_MS: Final = 10  # a full read-ahead is looked at again; by default it waits a second
REPEAT_WINDOW_MESSAGES: Final = 262_144  # ids remembered a partition: 6 MB, re-read in 1 s
MESSAGES_KEPT_DAYS: Final = 7  # on Kafka, what comes of them too: for a store that is away
DEAD_LETTERS_KEPT_DAYS: Final = 30  # on Kafka: long enough to mend a program and send them again

# --- one event of a program ---------------------------------------------------------------------
EVENT_HANDLERS_MAX: Final = 16  # of one event type: they share the event's fuel
EVENT_FUEL_MAX: Final = 1_000_000_000  # some 0.5 s of a core: a signature in big integers, 0.3 s
SLOW_EVENT_FUEL: Final = 10_000_000  # on average; 5-10 ms: a Dapp of such events yields to others
BATCH_FUEL_MAX: Final = 2_000_000_000  # a batch that spends more commits in parts, each 1-4 s
BATCH_BYTES_MAX: Final = 16 * MIB  # or writes more, state included: it is in memory several times
EVENT_STATE_BYTES_MAX: Final = 16 * MIB  # written to state, replaced values too: they can be undone
CALL_DEPTH_BYTES_MAX: Final = 384 * KIB  # counted frames: about what W3bStream's engine gave
ENGINE_STACK_BYTES: Final = 2 * MIB  # real ones, so many that the count is met first
EVENT_OUTPUT_BYTES_MAX: Final = 1 * MIB  # results, claims and effects of one event together
EVENT_LOGS_MAX: Final = 1_024  # lines that one event may log: a loop that logs ends soon
EVENT_LINES_MAX: Final = 8_192  # lines kept of one event where logs are kept, the host's included
LOG_TEXT_BYTES_MAX: Final = 64 * KIB  # kept of one line
EVENT_EFFECTS_MAX: Final = 64  # of one event: each costs somebody else a call or a transaction
PROGRAM_BYTES_MAX: Final = 16 * MIB
TABLE_ELEMENTS_MAX: Final = 65_536  # of one table; large programs have some thousand functions
PROGRAM_MEMORY_BYTES_MAX: Final = 64 * MIB

# --- state --------------------------------------------------------------------------------------
STATE_KEY_BYTES_MAX: Final = 1 * KIB
STATE_VALUE_BYTES_MAX: Final = 256 * KIB
STATE_BYTES_MAX: Final = 512 * MIB  # of one (Dapp, partition): the driver's memory is 32-bit
STATE_KEYS_MAX: Final = 8_000_000  # each takes some 200 bytes beside its own, the state tree's too
STATE_SHARE_WARNED: Final = 0.8  # of either: past it the log says so, while there is time

# --- SQL programs -------------------------------------------------------------------------------
SQL_SCHEMA_BYTES_MAX: Final = 64 * KIB  # travels in the registry's record with the manifest
SQL_TABLES_MAX: Final = 64
SQL_COLUMNS_MAX: Final = 100  # of one table; what PostgreSQL's own users rarely pass
FILES_BYTES_MAX: Final = 1024 * MIB  # that the files of one (Dapp, partition) have by name
SQL_BYTES_MAX: Final = 128 * MIB  # rows of one (Dapp, partition), which are in memory twice
SQL_STATEMENT_BYTES_MAX: Final = 32 * KIB  # more is data: give it as parameters
SQL_PLANS_MAX: Final = 1_024  # translated statements kept, a partition
SQL_EVENT_STEPS_MAX: Final = 10_000_000  # SQLite's own instructions: about 0.3 s of one core
SQL_STATEMENT_STEPS: Final = 1_000  # charged for each statement
SQL_CHARACTER_STEPS: Final = 50  # and for each of its characters: a new one takes 5 µs to translate
SQL_ANSWER_ROWS_MAX: Final = 10_000
SQL_ANSWER_BYTES_MAX: Final = 1 * MIB  # it has to fit into the program's memory, twice or more
SQL_VALUE_BYTES_MAX: Final = 256 * KIB  # also of one in between: steps do not tell its length
SQL_ROW_BYTES_MAX: Final = 512 * KIB  # as JSON: a row is a record of the changelog

# --- the sink -----------------------------------------------------------------------------------
BLOCK_ROWS_MAX: Final = 50_000
BLOCK_BYTES_MAX: Final = 32 * MIB
BLOCK_WAIT_MS: Final = 500  # freshness against parts: ClickHouse likes few inserts a second
BLOCKS_PER_S_MAX: Final = 20  # with many busy partitions blocks wait longer instead
STORE_BYTES_MAX: Final = 64 * MIB  # rows that wait for ClickHouse; past it Kafka is not read
SETTLE_WAIT_S: Final = 5  # without news, a partition's last block needs no repeating any more
INSERT_RETRY_WAIT_S: Final = 5  # the longest pause before a block is sent again

# --- the registry -------------------------------------------------------------------------------
PARTITIONS_MAX: Final = 64  # of one Dapp: each has topics, an instance and state of its own
MANIFEST_BYTES_MAX: Final = 64 * KIB  # it travels in one record of the registry
DEPLOYMENTS_KEPT_MAX: Final = 64  # lines of a Dapp's history, 250 bytes each in its record
NAME_BYTES_MAX: Final = 128  # an owner's: an address, a DID, a short word

# --- agreement and the chain --------------------------------------------------------------------
ROUND_MS: Final = 2_000  # a proposer has this long: a vote takes two hops between operators
FINALS_MAX: Final = 1_024  # certificates kept for those who missed them
CLAIM_SUBJECT_BYTES_MAX: Final = 256  # the contract's Claim.subject: a DID
CLAIM_STATEMENT_BYTES_MAX: Final = 4_096  # the contract's Claim.statement: it costs memory on chain
SUBMIT_QUEUED_MAX: Final = 1_024  # commitments waiting for the chain; past it Kafka keeps them
SUBMIT_IN_FLIGHT_MAX: Final = 16  # nodes' pools drop an account's transactions past some 64
SUBMIT_KEPT_MAX: Final = 10_000  # mined transactions whose bytes stay for a chain that forgets
SUBMIT_RETRY_MS: Final = 60_000  # a commitment that the contract refuses is tried again
CHAIN_POLL_MS: Final = 500  # a look at the chain; its blocks take seconds
CHAIN_TIMEOUT_S: Final = 10  # one call
CALL_TIMEOUT_S: Final = 3  # one that a program waits for, and its whole batch with it
CALL_PAUSE_S: Final = 5  # a chain that did not answer in time is not asked again at once
CALL_ANSWER_BYTES_MAX: Final = 256 * KIB  # it is copied into the program's memory
CHAIN_RESEND_MS: Final = 5_000  # a pool may have dropped what was sent
CHAIN_BUMP_BLOCKS: Final = 3  # a fee that three blocks passed over is too low
CHAIN_MISSING_MS: Final = 30_000  # a node behind a balancer may not know a receipt yet
REQUEST_MISSING_MS: Final = 600_000  # of a program's transaction, which no contract takes once only
REQUEST_WAIT_MS: Final = 7_200_000  # for money to send it with, as W3bStream waited: two hours
REQUEST_KEPT_MS: Final = 14 * 24 * 3_600_000  # its id; Kafka keeps effects for half of that
REQUESTS_QUEUED_MAX: Final = 10_000  # of one Dapp and sender: minutes to hours of a chain's room
REQUESTS_TOLD_AT_ONCE: Final = 1_000  # outcomes in one transaction of Kafka's
FEE_WEI_MAX: Final = 500 * 10**9  # a unit of gas, at most: past it waiting is cheaper

# --- schedules and monitors ---------------------------------------------------------------------
WATCH_MS: Final = 1_000  # between two looks at the clock and the chains: cron's minute is long
SOURCES_MAX: Final = 64  # of each kind in one manifest: each is a call a second
MONITOR_BLOCKS_MAX: Final = 4_000  # one look at logs, as W3bStream's; chains refuse longer ones
MONITOR_CONFIRMATIONS_MAX: Final = 10_000  # more than any chain takes to be final

# --- effects ------------------------------------------------------------------------------------
API_READS_MAX: Final = 8  # reads of chains under way: one that is slow holds up few others
MQTT_IN_FLIGHT_MAX: Final = 200  # not acknowledged yet: a round trip of 20 ms makes 10,000/s
MQTT_HANG_UPS_MAX: Final = 3  # at one message alone: a broker that restarts does not come to it
MQTT_MESSAGE_BYTES_MAX: Final = 256 * KIB  # brokers hang up over more

# --- one machine --------------------------------------------------------------------------------
LOG_FILE_BYTES_MAX: Final = 16 * MIB  # a child process's log, and as much of its past

COLLECTED_OBJECTS: Final = 50_000  # new ones before cycles are looked for: a few batches' messages

# --- queries ------------------------------------------------------------------------------------
QUERY_SECONDS_MAX: Final = 60  # an analyst's statement shares the server with the sink
QUERY_ROWS_MAX: Final = 1_000_000  # what an answer may have; more belongs into an export
QUERY_MEMORY_BYTES_MAX: Final = 2 * 1024 * MIB
SAVED_QUERY_SECONDS_MAX: Final = 10  # who asks over HTTP waits for the answer
SAVED_QUERY_ROWS_MAX: Final = 100_000  # an answer is in memory whole, some 20 MB
SAVED_QUERIES_AT_ONCE: Final = 4  # of one endpoint process; one over it is told to come again
SAVED_QUERIES_MAX: Final = 64  # of one Dapp: they travel in its manifest
SAVED_QUERY_BYTES_MAX: Final = 8 * KIB
READER_SECONDS_A_MINUTE: Final = 60  # of one user of ClickHouse: a core of the server
RETENTION_DAYS_MAX: Final = 36_500  # a century; longer is for ever
RETENTION_MIB_MAX: Final = 1024 * MIB  # a petabyte
RETENTION_LOOK_S: Final = 3_600  # sizes are looked at so often; ClickHouse takes hours to remove
ERASURE_DEVICES_MAX: Final = 1_000  # of one: their names, 60 KB, go to ClickHouse in a URL
ERASURE_LOOK_S: Final = 0.5  # between two looks at what is to be ordered or has been carried out

# --- the audit log -----------------------------------------------------------------------------
AUDIT_KEPT_DAYS: Final = 400  # on Kafka: a year, and time to look back on it; ClickHouse has longer
AUDIT_REFUSALS_S: Final = 60  # refusals of one kind are one record for so long
AUDIT_REFUSALS_MAX: Final = 1_000  # such records at once: a flood of names costs 20 a second
AUDIT_SHOWN_MAX: Final = 10_000  # of one question; more is asked in SQL

# --- identity -----------------------------------------------------------------------------------
TOKEN_LIFE_S: Final = 900
OPERATOR_TOKEN_LIFE_S_MAX: Final = 30 * 24 * 3_600  # it does all; whoever automates renews it
CHALLENGE_LIFE_S: Final = 60
OWNER_NONCE_LIFE_S: Final = 300  # somebody reads what the wallet shows
SECRETS_LOOK_MS: Final = 1_000  # after a rotation, tokens of a leaked secret count this long
CLOCK_SKEW_MS: Final = 60_000  # between an issuer's clock and ours: NTP keeps far less
VC_BYTES_MAX: Final = 256 * KIB  # a credential, or a presentation of several; a status list too
FETCH_S: Final = 5  # a DID document or status list of somebody else's, from asking to the end
DID_LIFE_S: Final = 300  # a document that was fetched: a key that was taken out counts this long
FETCH_RETRY_S: Final = 10  # before what was not to be had is asked for again
DIDS_CACHED_MAX: Final = 4_096  # some kilobytes each
STATUS_LIFE_S: Final = 300  # a status list: how long a revocation may go unnoticed
STATUS_BYTES_MAX: Final = 256 * KIB  # a list unpacked: 2 million credentials
STATUS_BITS_MIN: Final = 131_072  # by the specification: a position in it tells little
STATUS_LISTS_MAX: Final = 1_024  # kept: most have 16 KiB, together they have 256 MiB at most
OWNERSHIP_LOOK_S: Final = 60  # between two looks at owners' credentials, besides the lists' life
REGISTRATION_BYTES_MAX: Final = 64 * KIB  # a credential is some 2 KB
REGISTRATIONS_WAITING_MAX: Final = 64  # of one endpoint process: each may wait for others' servers
GRANT_DEVICES_MAX: Final = 1_000  # that one grant names: they travel in one record
GRANT_EVENT_TYPES_MAX: Final = 64  # that one grant names: programs know a few
OWNER_DEVICES_SHOWN: Final = 1_000  # on one page of a list
OWNER_DEVICES_MAX: Final = 100_000  # that an owner registers through a door; operators import more
DID_METHODS_MAX: Final = 64  # entries of each list of a DID document

assert PAYLOAD_BYTES_MAX + DEVICE_BYTES_MAX + EVENT_TYPE_BYTES_MAX + 32 < RECORD_BYTES_MAX
assert MANIFEST_BYTES_MAX * 4 < RECORD_BYTES_MAX  # as JSON, with every character escaped
assert (MANIFEST_BYTES_MAX + SQL_SCHEMA_BYTES_MAX) * 4 < RECORD_BYTES_MAX
assert CREDENTIAL_BYTES_MAX + 64 * KIB + 8 * KIB < MQTT_CONNECT_BYTES_MAX
assert 4 * MQTT_SUBSCRIPTIONS_MAX * MQTT_FILTER_CHARACTERS_MAX < RECORD_BYTES_MAX // 2  # UTF-8
assert min(RECORD_BYTES_MAX, MQTT_OUTBOX_BYTES_MAX) > 2 * MQTT_MESSAGE_BYTES_MAX
assert GRANT_DEVICES_MAX * (DEVICE_BYTES_MAX + 3) < RECORD_BYTES_MAX
assert PROGRAM_BYTES_MAX * 4 // 3 + MANIFEST_BYTES_MAX < UPLOAD_BODY_BYTES_MAX
assert PROGRAM_BYTES_MAX + 2 * MANIFEST_BYTES_MAX < GRPC_UPLOAD_BYTES_MAX
assert STATE_VALUE_BYTES_MAX < RECORD_BYTES_MAX
assert SQL_ROW_BYTES_MAX < RECORD_BYTES_MAX
assert 2 * RECORD_BYTES_MAX < OUTPUT_RECORD_BYTES_MAX  # a dead letter: key, value and reason
assert 2 * EVENT_OUTPUT_BYTES_MAX < OUTPUT_RECORD_BYTES_MAX  # a result
assert APPEND_TIMEOUT_MS < TRANSACTION_TIMEOUT_MS  # a door gives up before its transaction does
# Two batches that are open at once can be taken back from the window of ids (a quarter of it).
assert 3 * EXECUTE_MESSAGES_MAX <= REPEAT_WINDOW_MESSAGES // 4
assert REQUEST_MESSAGES_MAX + TRANSACTION_RECORDS < APPEND_MESSAGES_MAX
assert BLOCK_BYTES_MAX < STORE_BYTES_MAX
assert 4 * CALL_DEPTH_BYTES_MAX < ENGINE_STACK_BYTES < 8 * MIB  # a thread's stack is 8 MB
assert SESSION_TIMEOUT_MS <= 15_000  # results flow again within 15 s
