-- Datasets, their versions, and the projection of their parts; jobs, quarantine and answers.
-- Items, sources and chunks carry the version that added them and the one that removed them.

CREATE TABLE datasets (
    dataset_id  VARCHAR NOT NULL,          -- ULID
    name        VARCHAR NOT NULL,
    created     TIMESTAMP NOT NULL
);

CREATE TABLE versions (
    dataset_id  VARCHAR NOT NULL,
    version     BIGINT NOT NULL,
    digest      VARCHAR NOT NULL,          -- of the manifest
    content     VARCHAR NOT NULL,          -- of the live sources and items
    parent      BIGINT,
    message     VARCHAR NOT NULL,
    created     TIMESTAMP NOT NULL,
    items       BIGINT NOT NULL,
    chunks      BIGINT NOT NULL,
    added       BIGINT NOT NULL,
    removed     BIGINT NOT NULL,
    space       VARCHAR NOT NULL
);

CREATE TABLE items (
    dataset_id  VARCHAR NOT NULL,
    item_key    BIGINT NOT NULL,
    item_id     VARCHAR NOT NULL,
    media_type  VARCHAR NOT NULL,
    modality    VARCHAR NOT NULL,
    title       VARCHAR NOT NULL,
    size        BIGINT NOT NULL,
    metadata    JSON NOT NULL,
    work_key    VARCHAR NOT NULL,
    chunks      INTEGER NOT NULL,
    part        VARCHAR NOT NULL,
    added       BIGINT NOT NULL,
    removed     BIGINT
);

CREATE TABLE sources (
    dataset_id  VARCHAR NOT NULL,
    source_key  BIGINT NOT NULL,
    source      VARCHAR NOT NULL,
    name        VARCHAR NOT NULL,
    item_key    BIGINT NOT NULL,
    added       BIGINT NOT NULL,
    removed     BIGINT
);

CREATE TABLE chunks (
    dataset_id  VARCHAR NOT NULL,
    chunk_key   BIGINT NOT NULL,
    chunk_id    VARCHAR NOT NULL,
    item_key    BIGINT NOT NULL,
    ordinal     INTEGER NOT NULL,
    start       BIGINT NOT NULL,
    "end"       BIGINT NOT NULL,
    page        INTEGER,
    heading     VARCHAR NOT NULL,
    tokens      INTEGER NOT NULL          -- the text is the item's text from start to end
);

CREATE TABLE jobs (
    job         VARCHAR NOT NULL,          -- ULID
    dataset     VARCHAR NOT NULL,
    state       VARCHAR NOT NULL,          -- running, done, failed
    started     TIMESTAMP NOT NULL,
    ended       TIMESTAMP,
    result      JSON
);

CREATE TABLE quarantine (
    id          VARCHAR NOT NULL,          -- ULID
    job         VARCHAR NOT NULL,
    dataset     VARCHAR NOT NULL,
    source      VARCHAR NOT NULL,
    stage       VARCHAR NOT NULL,
    code        VARCHAR NOT NULL,
    reason      VARCHAR NOT NULL,
    hint        VARCHAR NOT NULL,
    item_id     VARCHAR NOT NULL,          -- names the kept bytes; empty when unreadable
    size        BIGINT NOT NULL,
    created     TIMESTAMP NOT NULL
);

CREATE TABLE answers (
    answer_id   VARCHAR NOT NULL,          -- ULID
    dataset_id  VARCHAR NOT NULL,
    version     BIGINT NOT NULL,
    created     TIMESTAMP NOT NULL,
    record      JSON NOT NULL              -- StoredAnswer
);
