-- Answers that cannot be changed unseen, what each of them used, and what people say of them.

CREATE TABLE seals (
    number      BIGINT NOT NULL,           -- 1, 2, 3, … in the order in which answers were stored
    answer_id   VARCHAR NOT NULL,
    digest      VARCHAR NOT NULL,          -- BLAKE3 of the answer's row
    seal        VARCHAR NOT NULL           -- BLAKE3 of the seal before it and this digest
);

CREATE TABLE answer_sources (
    answer_id   VARCHAR NOT NULL,
    item_id     VARCHAR NOT NULL,
    chunk_id    VARCHAR NOT NULL,          -- that was found for the question
    cited       BOOLEAN NOT NULL           -- and quoted in the answer
);

INSERT INTO answer_sources
    WITH used AS (
        SELECT answer_id,
               unnest(from_json(record->'hits',
                      '[{"item_id": "VARCHAR", "chunk_id": "VARCHAR"}]')) AS hit,
               from_json(record->'answer'->'citations', '[{"chunk_id": "VARCHAR"}]') AS quoted
        FROM answers
    )
    SELECT DISTINCT answer_id, hit.item_id, hit.chunk_id,
           coalesce(list_contains([c.chunk_id FOR c IN quoted], hit.chunk_id), false)
    FROM used;

CREATE INDEX answer_sources_by_item ON answer_sources (item_id);

CREATE TABLE feedback (
    feedback_id VARCHAR NOT NULL,          -- ULID
    answer_id   VARCHAR NOT NULL,
    dataset_id  VARCHAR NOT NULL,
    created     TIMESTAMP NOT NULL,
    principal   VARCHAR NOT NULL,          -- who said it
    verdict     VARCHAR NOT NULL,          -- good, bad
    reason      VARCHAR NOT NULL,
    comment     VARCHAR NOT NULL,
    corrected   VARCHAR NOT NULL,          -- the answer as it should be; empty: nobody said
    state       VARCHAR NOT NULL,          -- open, accepted, rejected
    reviewed    TIMESTAMP,
    reviewer    VARCHAR NOT NULL
);
