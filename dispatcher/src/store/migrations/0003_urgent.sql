-- What is told at once goes first, is tried quickly, and is told by a second channel when that fails.
ALTER TABLE deliveries ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET urgent = 1 WHERE event = 'citybrain.fire.pre_alarm' OR kind = 'fire';
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (destination, urgent, next_attempt_at) WHERE state = 'pending';
