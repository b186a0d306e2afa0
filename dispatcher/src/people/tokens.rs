//! Tokens, by which programs come in.

use super::secret::{hash, id, secret};
use super::users::MAX_NAME;
use super::{Actor, People, PeopleError, Permission, Permissions, Token, Way, Why, note};
use std::time::Duration;

/// What every token begins with, so that one that was published by mistake is recognised.
const PREFIX: &str = "cbt_";
/// Longest life of a token, in days.
pub(super) const MAX_DAYS: u32 = 3_650;
/// Tokens of one user.
pub(super) const MOST_TOKENS: usize = 50;
/// A token's use is written down at most this often.
const USED_EVERY: Duration = Duration::from_secs(60);

/// A token that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What is kept of it.
    pub token: Token,
    /// Its text, which is shown this once.
    pub text: String,
}

impl People {
    /// Makes a token of whoever asks, good for so many days.
    ///
    /// # Errors
    /// [`PeopleError`] when it would do more than its owner may, name or days are out of bounds, or the store does not
    /// answer.
    pub async fn add_token(
        &self,
        actor: &Actor,
        name: &str,
        scopes: Permissions,
        days: u32,
    ) -> Result<NewToken, PeopleError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(PeopleError::Refused(Why::TokenName));
        }
        if days == 0 || days > MAX_DAYS {
            return Err(PeopleError::Refused(Why::TokenDays));
        }
        if scopes == Permissions::NONE || !scopes.are_within(actor.permissions) {
            return Err(PeopleError::Refused(Why::TokenScopes));
        }
        let user = self.user(&actor.user).await?;
        if self.0.store.tokens(Some(&user.id)).await?.len() >= MOST_TOKENS {
            return Err(PeopleError::Refused(Why::TokenMany));
        }
        let text = format!("{PREFIX}{}", secret()?);
        let now = self.now();
        let token = Token {
            id: id()?,
            name: name.to_owned(),
            scopes,
            created_at: now,
            expires_at: now.plus(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
            used_at: None,
            user,
        };
        self.0.store.add_token(&token, &hash(&text)).await?;
        note("token.add", &token.name, format!("{scopes} for {days} days"));
        Ok(NewToken { token, text })
    }

    /// Whose token this is; `None` when it is none, over, or its owner may not come in.
    pub(super) async fn by_token(&self, text: &str, address: &str) -> Result<Option<Actor>, PeopleError> {
        if !text.starts_with(PREFIX) || text.len() != PREFIX.len() + 64 {
            return Ok(None);
        }
        let Some(token) = self.0.store.token(&hash(text)).await? else { return Ok(None) };
        let now = self.now();
        if token.expires_at <= now || token.user.disabled {
            return Ok(None);
        }
        if token.used_at.is_none_or(|used| now.since(used) >= USED_EVERY) {
            self.0.store.token_used(&token.id, now).await?;
        }
        Ok(Some(Actor {
            permissions: token.scopes.and(token.user.role.permissions()),
            role: Some(token.user.role),
            user: token.user.id,
            name: token.user.name,
            way: Way::Token { id: token.id, name: token.name },
            address: address.to_owned(),
        }))
    }

    /// Tokens of one user, or of all, newest first.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn tokens(&self, user: Option<&str>) -> Result<Vec<Token>, PeopleError> {
        Ok(self.0.store.tokens(user).await?)
    }

    /// Ends a token of whoever asks; whoever runs users may end anybody's.
    ///
    /// # Errors
    /// [`PeopleError::Unknown`] when he has none of that id, or the store does not answer.
    pub async fn end_token(&self, actor: &Actor, id: &str) -> Result<(), PeopleError> {
        let whose = (!actor.may(Permission::Users)).then_some(actor.user.as_str());
        let tokens = self.0.store.tokens(whose).await?;
        let token = tokens.into_iter().find(|token| token.id == id).ok_or(PeopleError::Unknown("token"))?;
        self.0.store.end_token(id).await?;
        note("token.end", &token.name, format!("of {}", token.user.name));
        Ok(())
    }
}
