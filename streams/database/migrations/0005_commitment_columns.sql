-- What a commitment says, as columns: read from its JSON when asked for.
ALTER TABLE commitments
    ADD COLUMN IF NOT EXISTS partitions UInt32 ALIAS JSONExtract(body, 'partitions', 'UInt32'),
    ADD COLUMN IF NOT EXISTS program String ALIAS JSONExtractString(body, 'program'),
    ADD COLUMN IF NOT EXISTS input_root String ALIAS JSONExtractString(body, 'input_root'),
    ADD COLUMN IF NOT EXISTS claims_root String ALIAS JSONExtractString(body, 'claims_root'),
    ADD COLUMN IF NOT EXISTS state_root String ALIAS JSONExtractString(body, 'state_root'),
    ADD COLUMN IF NOT EXISTS messages UInt64 ALIAS JSONExtract(body, 'messages', 'UInt64'),
    ADD COLUMN IF NOT EXISTS repeats UInt64 ALIAS JSONExtract(body, 'repeats', 'UInt64'),
    ADD COLUMN IF NOT EXISTS dead UInt64 ALIAS JSONExtract(body, 'dead', 'UInt64'),
    ADD COLUMN IF NOT EXISTS results UInt64 ALIAS JSONExtract(body, 'results', 'UInt64'),
    ADD COLUMN IF NOT EXISTS claims UInt64 ALIAS JSONExtract(body, 'claims', 'UInt64'),
    ADD COLUMN IF NOT EXISTS digest String ALIAS JSONExtractString(body, 'digest'),
    ADD COLUMN IF NOT EXISTS signers Array(String)
        ALIAS arrayMap(one -> JSONExtractString(one, 'signer'), JSONExtractArrayRaw(body, 'signatures'));
