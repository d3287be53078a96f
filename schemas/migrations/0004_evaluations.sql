-- Measurements of search, to be compared with later ones.

CREATE TABLE evaluations (
    evaluation  VARCHAR NOT NULL,          -- ULID
    dataset_id  VARCHAR NOT NULL,
    created     TIMESTAMP NOT NULL,
    result      JSON NOT NULL              -- RetrievalEvaluation
);
