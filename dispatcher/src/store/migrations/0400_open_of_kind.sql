-- The alarm board asks for the open cases of one kind whenever a case changes.
CREATE INDEX cases_by_kind ON cases (kind, state, opened_at);
