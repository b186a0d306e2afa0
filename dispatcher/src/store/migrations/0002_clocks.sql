-- When something is due next on one of a case's clocks. Open cases of the time before have none yet: they are due at
-- once, and their clocks begin then.
ALTER TABLE cases ADD COLUMN next_timer_at INTEGER;
UPDATE cases SET next_timer_at = opened_at WHERE state NOT IN ('closed', 'void', 'linked');
CREATE INDEX cases_by_timer ON cases (next_timer_at) WHERE next_timer_at IS NOT NULL;

ALTER TABLE case_changes ADD COLUMN action TEXT NOT NULL DEFAULT '';

-- What was answered to a request with an idempotency key, so that the same request is answered the same again.
CREATE TABLE answers (
    key         TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status      INTEGER NOT NULL,
    body        TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (created_at);
