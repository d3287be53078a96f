-- Versions that go back (restore) and share parts (fork), jobs that wait and resume, golden queries.
-- The projection is emptied: opening makes it anew from the manifests, with the new columns.

DELETE FROM datasets;
DELETE FROM versions;
DELETE FROM items;
DELETE FROM sources;
DELETE FROM chunks;

ALTER TABLE sources ADD COLUMN part VARCHAR;

CREATE TABLE jobs_with_specs (
    job         VARCHAR NOT NULL,          -- ULID
    kind        VARCHAR NOT NULL,          -- ingest, reembed
    dataset     VARCHAR NOT NULL,
    state       VARCHAR NOT NULL,          -- queued, running, done, failed, cancelled, interrupted
    created     TIMESTAMP NOT NULL,
    started     TIMESTAMP,
    ended       TIMESTAMP,
    spec        JSON NOT NULL,             -- what was asked for: enough to do it again
    progress    JSON,                      -- JobProgress, as last heard
    result      JSON,                      -- of a job that is done
    error       JSON                       -- code, message and hint of one that failed
);

INSERT INTO jobs_with_specs
    SELECT job, 'ingest', dataset, state, started, started, ended, '{}', NULL,
           CASE WHEN state = 'done' THEN result END, CASE WHEN state = 'failed' THEN result END
    FROM jobs;

DROP TABLE jobs;
ALTER TABLE jobs_with_specs RENAME TO jobs;

CREATE TABLE golden_queries (
    dataset_id  VARCHAR NOT NULL,
    query_id    VARCHAR NOT NULL,
    query       VARCHAR NOT NULL,
    document    VARCHAR NOT NULL,          -- name of a source that answers it
    grade       INTEGER NOT NULL           -- how well; 0 is not at all
);

CREATE TABLE erasures (
    id          VARCHAR NOT NULL           -- of a receipt whose work in this catalog is done
);
