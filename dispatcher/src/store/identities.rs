//! Users that sign in by a provider, and the keys with which this program signs.

use super::people::user;
use super::{Store, StoreError};
use crate::people::User;
use citybrain_types::Timestamp;
use sqlx::{Any, Row, Transaction};

/// Notes what a provider calls a user; `false` when it calls somebody else that, or him otherwise.
async fn call(
    transaction: &mut Transaction<'static, Any>,
    id: &str,
    issuer: &str,
    subject: &str,
) -> Result<bool, StoreError> {
    let known = sqlx::query(
        "INSERT INTO user_identities (user_id, issuer, subject) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(issuer)
    .bind(subject)
    .execute(&mut **transaction)
    .await?;
    Ok(known.rows_affected() > 0)
}

impl Store {
    /// The user whom a provider calls that.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn user_of(&self, issuer: &str, subject: &str) -> Result<Option<User>, StoreError> {
        let row = sqlx::query(
            "SELECT u.*, CAST(CASE WHEN u.password = '' THEN 1 ELSE 0 END AS BIGINT) AS outside \
             FROM users u JOIN user_identities i ON i.user_id = u.id WHERE i.issuer = $1 AND i.subject = $2",
        )
        .bind(issuer)
        .bind(subject)
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(|row| user(row, "")).transpose()
    }

    /// Adds a user without password, with what a provider calls him; `false` when the name or the other is taken.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn add_user_of(&self, user: &User, issuer: &str, subject: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO users (id, name, name_key, role, password, disabled, created_at, changed_at) \
             VALUES ($1, $2, $3, $4, '', 0, $5, $6) ON CONFLICT (name_key) DO NOTHING",
        )
        .bind(&user.id)
        .bind(&user.name)
        .bind(user.name.to_lowercase())
        .bind(user.role.name())
        .bind(user.created_at.as_micros())
        .bind(user.changed_at.as_micros())
        .execute(&mut *transaction)
        .await?;
        if added.rows_affected() == 0 {
            return Ok(false);
        }
        if !call(&mut transaction, &user.id, issuer, subject).await? {
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Gives a user to whom a provider calls that: password and sessions are gone. `false` when either is taken.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn hand_over_user(
        &self,
        id: &str,
        issuer: &str,
        subject: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        if !call(&mut transaction, id, issuer, subject).await? {
            return Ok(false);
        }
        sqlx::query("UPDATE users SET password = '', changed_at = $1 WHERE id = $2")
            .bind(at.as_micros())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The key of that name; `fresh` where there is none yet.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn signing_key(&self, name: &str, fresh: &str, at: Timestamp) -> Result<String, StoreError> {
        sqlx::query(
            "INSERT INTO signing_keys (name, secret, made_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(fresh)
        .bind(at.as_micros())
        .execute(&self.writer)
        .await?;
        // By the writer, which sees what it has written.
        let row = sqlx::query("SELECT secret FROM signing_keys WHERE name = $1")
            .bind(name)
            .fetch_one(&self.writer)
            .await?;
        Ok(row.try_get("secret")?)
    }
}
