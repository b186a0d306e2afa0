-- Why each case was opened: its incident as it stood last, with its reasons and members. Rows stay when the incident is over.
CREATE TABLE incident_reports (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
