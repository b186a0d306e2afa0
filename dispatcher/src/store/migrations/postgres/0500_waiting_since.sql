-- From when a delivery waits for its next attempt: one that waits since a moment to come tells of a clock that was set back,
-- and does not wait for it. 0 for those that waited already.
ALTER TABLE deliveries ADD COLUMN waiting_since BIGINT NOT NULL DEFAULT 0;
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (destination, urgent, next_attempt_at, waiting_since) WHERE state = 'pending';
