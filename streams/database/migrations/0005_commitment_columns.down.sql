ALTER TABLE commitments
    DROP COLUMN IF EXISTS signers,
    DROP COLUMN IF EXISTS digest,
    DROP COLUMN IF EXISTS claims,
    DROP COLUMN IF EXISTS results,
    DROP COLUMN IF EXISTS dead,
    DROP COLUMN IF EXISTS repeats,
    DROP COLUMN IF EXISTS messages,
    DROP COLUMN IF EXISTS state_root,
    DROP COLUMN IF EXISTS claims_root,
    DROP COLUMN IF EXISTS input_root,
    DROP COLUMN IF EXISTS program,
    DROP COLUMN IF EXISTS partitions;
