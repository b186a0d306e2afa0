-- Moments are microseconds since the Unix epoch. `body` is the public JSON form; the columns beside it are what is searched.
CREATE TABLE policies (
    id         TEXT PRIMARY KEY,
    version    BIGINT NOT NULL,
    state      TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    body       TEXT NOT NULL
);
-- Two operators who put two policies in force at once: the second is refused.
CREATE UNIQUE INDEX policies_live ON policies (state) WHERE state = 'live';
CREATE INDEX policies_by_time ON policies (updated_at, id);

-- Who changed what, when, why. Rows stay.
CREATE TABLE policy_changes (
    policy_id  TEXT NOT NULL REFERENCES policies (id),
    version    BIGINT NOT NULL,
    action     TEXT NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    at         BIGINT NOT NULL,
    by_whom    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (policy_id, version)
);

-- What the log leads to under a policy, by the numbers of the policy that it was worked out for.
CREATE TABLE policy_forecasts (
    policy_id   TEXT PRIMARY KEY REFERENCES policies (id),
    fingerprint TEXT NOT NULL,
    at          BIGINT NOT NULL,
    body        TEXT NOT NULL
);

-- Where a policy in shadow and the one in force differ.
CREATE TABLE shadow_differences (
    id        TEXT PRIMARY KEY,
    policy_id TEXT NOT NULL REFERENCES policies (id),
    opened_at BIGINT NOT NULL,
    body      TEXT NOT NULL
);
CREATE INDEX shadow_differences_by_policy ON shadow_differences (policy_id, opened_at);

-- What almost opened: a sample, so that what is missed can be seen.
CREATE TABLE candidates (
    id     TEXT PRIMARY KEY,
    kind   TEXT NOT NULL,
    camera TEXT NOT NULL,
    at     BIGINT NOT NULL,
    body   TEXT NOT NULL
);
CREATE INDEX candidates_by_time ON candidates (at, id);

-- Every verdict that was given; the one in force is current.
CREATE TABLE verdicts (
    item       TEXT NOT NULL,
    version    BIGINT NOT NULL,
    is_current BIGINT NOT NULL,
    verdict    TEXT NOT NULL,
    at         BIGINT NOT NULL,
    by_whom    TEXT NOT NULL,
    note       TEXT NOT NULL,
    PRIMARY KEY (item, version)
);
CREATE INDEX verdicts_current ON verdicts (item) WHERE is_current = 1;
