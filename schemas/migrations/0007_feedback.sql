-- What people say of answers, and which judgements were made of it.

CREATE TABLE feedback (
    id          VARCHAR NOT NULL,          -- ULID
    answer_id   VARCHAR NOT NULL,
    dataset_id  VARCHAR NOT NULL,
    version     BIGINT NOT NULL,           -- that was asked
    rating      VARCHAR NOT NULL,          -- good, bad
    reason      VARCHAR NOT NULL,          -- what is wrong with a bad one, or nothing
    comment     VARCHAR NOT NULL,
    answer_text VARCHAR NOT NULL,          -- the right answer, where one was given
    principal   VARCHAR NOT NULL,          -- who gave the feedback
    created     TIMESTAMP NOT NULL,
    state       VARCHAR NOT NULL,          -- open, accepted, rejected
    reviewer    VARCHAR NOT NULL,          -- nobody while it is open
    reviewed    TIMESTAMP,
    items       VARCHAR[] NOT NULL         -- ids of those that answer the question, as accepted
);

ALTER TABLE golden_queries ADD COLUMN feedback VARCHAR DEFAULT ''; -- that a judgement is made of
