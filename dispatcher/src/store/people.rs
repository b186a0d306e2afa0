//! Users, sessions and tokens.

use super::{Store, StoreError, damaged};
use crate::people::role::{Permission, Permissions, Role};
use crate::people::{Session, Token, User};
use citybrain_types::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

/// Most users, sessions or tokens read at once.
const MAX_ROWS: i64 = 10_000;

/// A user's columns where a session or a token is read with its owner.
const OWNER: &str = "u.id AS owner_id, u.name AS owner_name, u.role AS owner_role, \
     u.disabled AS owner_disabled, CAST(CASE WHEN u.password = '' THEN 1 ELSE 0 END AS BIGINT) AS owner_outside, u.created_at AS owner_created_at, u.changed_at AS owner_changed_at";

/// A user's columns where he is read by himself.
const SELECT: &str =
    "SELECT users.*, CAST(CASE WHEN password = '' THEN 1 ELSE 0 END AS BIGINT) AS outside FROM users";

/// What is changed of a user; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// The role.
    pub role: Option<Role>,
    /// Whether he may not come in.
    pub disabled: Option<bool>,
    /// The hash of the password.
    pub password: Option<String>,
}

impl Store {
    /// Adds a user; with `first`, only when there is none yet. `false` when the name is taken, or there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn add_user(&self, user: &User, password: &str, first: bool) -> Result<bool, StoreError> {
        let only_first = if first { "NOT EXISTS (SELECT 1 FROM users)" } else { "1 = 1" };
        let insert = format!(
            "INSERT INTO users (id, name, name_key, role, password, disabled, created_at, changed_at) \
             SELECT $1, $2, $3, $4, $5, CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS BIGINT) \
             WHERE {only_first} ON CONFLICT (name_key) DO NOTHING"
        );
        let written = sqlx::query(sqlx::AssertSqlSafe(insert))
            .bind(&user.id)
            .bind(&user.name)
            .bind(user.name.to_lowercase())
            .bind(user.role.name())
            .bind(password)
            .bind(i64::from(user.disabled))
            .bind(user.created_at.as_micros())
            .bind(user.changed_at.as_micros())
            .execute(&self.writer)
            .await?;
        Ok(written.rows_affected() == 1)
    }

    /// A user by name, whatever its case, with the hash of the password.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn user_named(&self, name: &str) -> Result<Option<(User, String)>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{SELECT} WHERE name_key = $1")))
            .bind(name.to_lowercase())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok((user(&row, "")?, row.try_get("password")?))).transpose()
    }

    /// A user by id, with the hash of the password.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn user(&self, id: &str) -> Result<Option<(User, String)>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok((user(&row, "")?, row.try_get("password")?))).transpose()
    }

    /// Every user, by name.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY name_key LIMIT $1")))
            .bind(MAX_ROWS)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| user(row, "")).collect()
    }

    /// Whether there is a user.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query("SELECT id FROM users LIMIT 1").fetch_optional(&self.readers).await?.is_some())
    }

    /// Changes a user; the sessions of one who is disabled or gets another password are over.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn change_user(&self, id: &str, change: &UserChange, at: Timestamp) -> Result<(), StoreError> {
        if let Some(role) = change.role {
            let set = sqlx::query("UPDATE users SET role = $1, changed_at = $2 WHERE id = $3");
            set.bind(role.name()).bind(at.as_micros()).bind(id).execute(&self.writer).await?;
        }
        if let Some(disabled) = change.disabled {
            let set = sqlx::query("UPDATE users SET disabled = $1, changed_at = $2 WHERE id = $3");
            set.bind(i64::from(disabled)).bind(at.as_micros()).bind(id).execute(&self.writer).await?;
        }
        if let Some(password) = &change.password {
            let set = sqlx::query("UPDATE users SET password = $1, changed_at = $2 WHERE id = $3");
            set.bind(password).bind(at.as_micros()).bind(id).execute(&self.writer).await?;
        }
        if change.password.is_some() || change.disabled == Some(true) {
            self.end_sessions_of(id).await?;
        }
        Ok(())
    }

    /// Adds a session, ends those that are over, and the oldest of the user's beyond `most`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn add_session(&self, session: &Session, most: u32) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
            .bind(session.created_at.as_micros())
            .execute(&self.writer)
            .await?;
        sqlx::query(
            "INSERT INTO sessions (id_hash, user_id, created_at, seen_at, expires_at, address, agent) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&session.id_hash)
        .bind(&session.user.id)
        .bind(session.created_at.as_micros())
        .bind(session.seen_at.as_micros())
        .bind(session.expires_at.as_micros())
        .bind(&session.address)
        .bind(&session.agent)
        .execute(&self.writer)
        .await?;
        sqlx::query(
            "DELETE FROM sessions WHERE user_id = $1 AND id_hash NOT IN (SELECT id_hash FROM sessions \
             WHERE user_id = $1 ORDER BY created_at DESC, id_hash LIMIT $2)",
        )
        .bind(&session.user.id)
        .bind(i64::from(most))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The session of that hash, with its user.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn session(&self, id_hash: &str) -> Result<Option<Session>, StoreError> {
        let select = format!(
            "SELECT s.*, {OWNER} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id_hash = $1"
        );
        let row =
            sqlx::query(sqlx::AssertSqlSafe(select)).bind(id_hash).fetch_optional(&self.readers).await?;
        row.as_ref().map(session).transpose()
    }

    /// A user's sessions, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<Session>, StoreError> {
        let select = format!(
            "SELECT s.*, {OWNER} FROM sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.user_id = $1 ORDER BY s.created_at DESC LIMIT $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(user)
            .bind(MAX_ROWS)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(session).collect()
    }

    /// The session was used.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn session_seen(&self, id_hash: &str, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET seen_at = $1 WHERE id_hash = $2")
            .bind(at.as_micros())
            .bind(id_hash)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn end_session(&self, id_hash: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE id_hash = $1").bind(id_hash).execute(&self.writer).await?;
        Ok(())
    }

    /// Ends every session of a user; says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn end_sessions_of(&self, user: &str) -> Result<u64, StoreError> {
        let ended =
            sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user).execute(&self.writer).await?;
        Ok(ended.rows_affected())
    }

    /// Adds a token, of which `hash` is kept.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn add_token(&self, token: &Token, hash: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO tokens (id, user_id, name, scopes, token_hash, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&token.id)
        .bind(&token.user.id)
        .bind(&token.name)
        .bind(token.scopes.to_string())
        .bind(hash)
        .bind(token.created_at.as_micros())
        .bind(token.expires_at.as_micros())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The token of that hash, with its owner.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn token(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let select = format!(
            "SELECT t.*, {OWNER} FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.token_hash = $1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(select)).bind(hash).fetch_optional(&self.readers).await?;
        row.as_ref().map(token).transpose()
    }

    /// Tokens, of one user or of all, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn tokens(&self, user: Option<&str>) -> Result<Vec<Token>, StoreError> {
        let select = format!(
            "SELECT t.*, {OWNER} FROM tokens t JOIN users u ON u.id = t.user_id \
             WHERE ($1 = '' OR t.user_id = $1) ORDER BY t.created_at DESC LIMIT $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(user.unwrap_or_default())
            .bind(MAX_ROWS)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(token).collect()
    }

    /// The token was used.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn token_used(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE tokens SET used_at = $1 WHERE id = $2")
            .bind(at.as_micros())
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Ends a token.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn end_token(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM tokens WHERE id = $1").bind(id).execute(&self.writer).await?;
        Ok(())
    }
}

fn moment(row: &AnyRow, column: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_micros(row.try_get(column)?))
}

/// A user, whose columns have this prefix.
pub(super) fn user(row: &AnyRow, prefix: &str) -> Result<User, StoreError> {
    let column = |name: &str| format!("{prefix}{name}");
    let id: String = row.try_get(column("id").as_str())?;
    let role: String = row.try_get(column("role").as_str())?;
    let role = role.parse::<Role>().map_err(damaged("users", &id))?;
    Ok(User {
        name: row.try_get(column("name").as_str())?,
        role,
        outside: row.try_get::<i64, _>(column("outside").as_str())? != 0,
        disabled: row.try_get::<i64, _>(column("disabled").as_str())? != 0,
        created_at: moment(row, &column("created_at"))?,
        changed_at: moment(row, &column("changed_at"))?,
        id,
    })
}

fn session(row: &AnyRow) -> Result<Session, StoreError> {
    Ok(Session {
        id_hash: row.try_get("id_hash")?,
        user: user(row, "owner_")?,
        created_at: moment(row, "created_at")?,
        seen_at: moment(row, "seen_at")?,
        expires_at: moment(row, "expires_at")?,
        address: row.try_get("address")?,
        agent: row.try_get("agent")?,
    })
}

fn token(row: &AnyRow) -> Result<Token, StoreError> {
    let id: String = row.try_get("id")?;
    let scopes: String = row.try_get("scopes")?;
    let scope = |name: &str| Permission::from_name(name).ok_or_else(|| format!("'{name}' is no scope"));
    let scopes = scopes.split(',').filter(|name| !name.is_empty()).map(scope);
    let scopes = scopes.collect::<Result<Permissions, _>>().map_err(damaged("tokens", &id))?;
    Ok(Token {
        id,
        user: user(row, "owner_")?,
        name: row.try_get("name")?,
        scopes,
        created_at: moment(row, "created_at")?,
        expires_at: moment(row, "expires_at")?,
        used_at: row.try_get::<Option<i64>, _>("used_at")?.map(Timestamp::from_micros),
    })
}
