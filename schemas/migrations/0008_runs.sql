-- Trainings, and what was measured in each.

CREATE TABLE runs (
    run         VARCHAR NOT NULL,          -- ULID
    name        VARCHAR NOT NULL,          -- that the model is to have
    family      VARCHAR NOT NULL,
    dataset_id  VARCHAR NOT NULL,
    version     BIGINT NOT NULL,
    data_digest VARCHAR NOT NULL,          -- with seed and step, what the examples of a step follow from
    seed        BIGINT NOT NULL,
    steps       BIGINT NOT NULL,           -- planned
    parameters  BIGINT NOT NULL,
    settings    JSON NOT NULL,             -- of network and trainer
    device      VARCHAR NOT NULL,
    state       VARCHAR NOT NULL,          -- running, done, stopped, failed
    error       VARCHAR NOT NULL,          -- that it failed with, or nothing
    model       VARCHAR NOT NULL,          -- NAME@NUMBER that came of it, or nothing
    began       TIMESTAMP NOT NULL,
    ended       TIMESTAMP
);

CREATE TABLE metrics (
    run                 VARCHAR NOT NULL,
    step                BIGINT NOT NULL,   -- steps that were made
    loss                DOUBLE NOT NULL,   -- mean of the last ten steps
    gradient_norm       DOUBLE NOT NULL,
    learning_rate       DOUBLE NOT NULL,
    examples_per_second DOUBLE NOT NULL,
    tokens_per_second   DOUBLE NOT NULL,
    mfu                 DOUBLE,            -- where the peak of the device is known
    validation          DOUBLE             -- where it was validated
);
