-- Images and recordings beside texts, and what near-duplicates are found by.
-- The projection is emptied: opening makes it anew from the manifests, with the new columns.

DELETE FROM datasets;
DELETE FROM versions;
DELETE FROM items;
DELETE FROM sources;
DELETE FROM chunks;

ALTER TABLE chunks ADD COLUMN modality VARCHAR;
ALTER TABLE chunks ADD COLUMN from_ms BIGINT; -- when it is heard, in its recording
ALTER TABLE chunks ADD COLUMN to_ms BIGINT;

CREATE TABLE signatures (
    dataset_id  VARCHAR NOT NULL,
    item_key    BIGINT NOT NULL,
    kind        VARCHAR NOT NULL,          -- payload, image, audio; those of texts are bands
    algorithm   VARCHAR NOT NULL,          -- with all its parameters
    value       BLOB NOT NULL
);

CREATE TABLE minhash_bands (
    dataset_id  VARCHAR NOT NULL,
    algorithm   VARCHAR NOT NULL,          -- bands of another one are never compared
    item_key    BIGINT NOT NULL,
    set_digest  BIGINT NOT NULL,           -- items with the same one have the same bands
    bands       BIGINT[] NOT NULL          -- keys, different in each band
);
