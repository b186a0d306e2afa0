-- What 0003_urgent.sql is to SQLite.
ALTER TABLE deliveries ADD COLUMN urgent BIGINT NOT NULL DEFAULT 0;
UPDATE deliveries SET urgent = 1 WHERE event = 'citybrain.fire.pre_alarm' OR kind = 'fire';
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (destination, urgent, next_attempt_at) WHERE state = 'pending';
