-- Answers that cannot be changed unseen, and what each of them used.

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
