-- Users that sign in by a provider, by what it calls them, and the keys with which this program signs.
CREATE TABLE user_identities (
    user_id TEXT PRIMARY KEY REFERENCES users (id),
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    UNIQUE (issuer, subject)
);

CREATE TABLE signing_keys (
    name    TEXT PRIMARY KEY,
    secret  TEXT NOT NULL,
    made_at BIGINT NOT NULL
);
