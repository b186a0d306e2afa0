-- What opens no case for a while, and what did; rows stay for a while after they are over.
CREATE TABLE silences (
    id         TEXT   PRIMARY KEY,
    created_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE INDEX silences_by_end ON silences (ends_at);
