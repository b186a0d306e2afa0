-- What 0100_incident_reports.sql is to SQLite.
CREATE TABLE incident_reports (
    id   TEXT COLLATE "C" PRIMARY KEY,
    body TEXT NOT NULL
);
