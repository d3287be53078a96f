-- Searches that a server has answered, while the setting usage.record is on.

CREATE TABLE searches (
    created     TIMESTAMP NOT NULL,
    dataset_id  VARCHAR NOT NULL,          -- the first one, of several
    principal   VARCHAR NOT NULL,          -- who searched
    mode        VARCHAR NOT NULL,          -- keyword, vector, hybrid, similar
    seconds     DOUBLE NOT NULL,
    hits        INTEGER NOT NULL,
    query       VARCHAR NOT NULL           -- empty unless usage.queries is on
);
