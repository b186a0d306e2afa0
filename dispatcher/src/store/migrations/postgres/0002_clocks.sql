-- What 0002_clocks.sql is to SQLite.
ALTER TABLE cases ADD COLUMN next_timer_at BIGINT;
UPDATE cases SET next_timer_at = opened_at WHERE state NOT IN ('closed', 'void', 'linked');
CREATE INDEX cases_by_timer ON cases (next_timer_at) WHERE next_timer_at IS NOT NULL;

ALTER TABLE case_changes ADD COLUMN action TEXT NOT NULL DEFAULT '';

CREATE TABLE answers (
    key         TEXT COLLATE "C" PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status      BIGINT NOT NULL,
    body        TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX answers_by_age ON answers (created_at);
