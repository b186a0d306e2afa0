-- Moments are microseconds since the Unix epoch. `body` is the public JSON form; the columns beside it are what is searched.
CREATE TABLE cases (
    id           TEXT PRIMARY KEY,
    version      INTEGER NOT NULL,
    incident     TEXT NOT NULL,
    kind         TEXT NOT NULL,
    state        TEXT NOT NULL,
    camera       TEXT NOT NULL,
    opened_at    INTEGER NOT NULL,
    body         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX cases_by_time ON cases (opened_at DESC, id DESC);
CREATE INDEX cases_by_state ON cases (state, opened_at DESC, id DESC);

CREATE TABLE case_changes (
    case_id    TEXT NOT NULL REFERENCES cases (id),
    version    INTEGER NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    at         INTEGER NOT NULL,
    by_whom    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    seen       TEXT NOT NULL,
    PRIMARY KEY (case_id, version)
) STRICT, WITHOUT ROWID;

-- Happenings that are not over yet, so that a restart goes on with them. Faults of cameras are among them.
CREATE TABLE incidents (
    id           TEXT PRIMARY KEY,
    camera       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    last_seen_at INTEGER NOT NULL,
    body         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last frame of each camera that has been judged; written together with what it led to.
CREATE TABLE watermarks (
    camera      TEXT PRIMARY KEY,
    sequence    INTEGER NOT NULL,
    captured_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The outbox. Rows stay after delivery, as the record of what was acknowledged.
CREATE TABLE deliveries (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    key              TEXT NOT NULL UNIQUE,
    case_id          TEXT NOT NULL REFERENCES cases (id),
    case_version     INTEGER NOT NULL,
    destination      TEXT NOT NULL,
    event            TEXT NOT NULL,
    kind             TEXT NOT NULL,
    camera           TEXT NOT NULL,
    department       TEXT NOT NULL,
    captured_at      INTEGER NOT NULL,
    body             TEXT NOT NULL,
    state            TEXT NOT NULL,
    attempts         INTEGER NOT NULL,
    attempts_before  INTEGER NOT NULL DEFAULT 0,
    created_at       INTEGER NOT NULL,
    next_attempt_at  INTEGER,
    delivered_at     INTEGER,
    last_error       TEXT
) STRICT;
CREATE INDEX deliveries_due ON deliveries (destination, next_attempt_at) WHERE state = 'pending';
CREATE INDEX deliveries_by_state ON deliveries (state, seq);
CREATE INDEX deliveries_by_case ON deliveries (case_id, seq);
