-- Sessions of questions that follow on each other, the templates of prompts, and answers that failed.

CREATE TABLE sessions (
    session_id  VARCHAR NOT NULL,          -- ULID
    dataset_id  VARCHAR NOT NULL,
    created     TIMESTAMP NOT NULL,
    title       VARCHAR NOT NULL           -- as it was named; one of its kind in a dataset
);

CREATE TABLE prompts (
    digest      VARCHAR NOT NULL,          -- SHA-256 of the template
    name        VARCHAR NOT NULL,          -- NAME@REVISION
    template    VARCHAR NOT NULL,          -- with {names} where texts are put in
    created     TIMESTAMP NOT NULL
);

ALTER TABLE answers ADD COLUMN state VARCHAR DEFAULT 'done'; -- done, failed, cancelled
ALTER TABLE answers ADD COLUMN session_id VARCHAR DEFAULT '';
