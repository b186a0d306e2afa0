//! Signing in and out.

use super::Role;
use super::actor::note_by;
use super::metrics::SignInOutcome;
use super::password::MAX_BYTES;
use super::secret::{hash, secret};
use super::{Actor, People, PeopleError, Session, User, Way, note};
use citybrain_ingest_config::resolved::{Passwords, PeopleRules};
use std::time::Duration;

/// Sessions of one user; the oldest makes room.
const MOST_SESSIONS: u32 = 20;
/// A session's use is written down at most this often.
const SEEN_EVERY: Duration = Duration::from_secs(60);
/// Longest description of a browser that is kept, in bytes.
const MAX_AGENT: usize = 200;

/// What forms of a session carry; whoever cannot read the session's cookie cannot know it.
fn csrf_of(id: &str) -> String {
    hash(&format!("form {id}"))
}

impl People {
    /// Signs in; says what the cookie has to hold.
    ///
    /// # Errors
    /// [`PeopleError::Wrong`] alike for a name that is not there, a wrong password and a user who may not come in;
    /// [`PeopleError::Wait`] after too many of them.
    pub async fn sign_in(
        &self,
        rules: &PeopleRules,
        name: &str,
        password: &str,
        address: &str,
        agent: &str,
    ) -> Result<(String, User), PeopleError> {
        let key: String = name.trim().to_lowercase().chars().take(2 * super::users::MAX_NAME).collect();
        if let Err(wait) = self.0.throttle.begin(&key, address, self.now()) {
            self.0.metrics.sign_in(SignInOutcome::Throttled);
            return Err(PeopleError::Wait(wait));
        }
        let found = self.0.store.user_named(&key).await?;
        // Whoever has no password is answered as late as somebody who has one.
        let kept = found.as_ref().map(|(_, kept)| kept.as_str()).filter(|kept| !kept.is_empty());
        let fits = password.len() <= MAX_BYTES;
        let right = self.0.hasher.verify(password, kept).await? && fits;
        let may = |user: &User| match rules.passwords {
            Passwords::Everyone => true,
            Passwords::Admins => user.role == Role::Admin,
        };
        let user = found.map(|(user, _)| user).filter(|user| right && !user.disabled && may(user));
        let Some(user) = user else {
            self.0.metrics.sign_in(SignInOutcome::Wrong);
            note_by("nobody", "sign_in_failed", &key, "");
            return Err(PeopleError::Wrong);
        };
        self.0.throttle.succeeded(&key, address);
        let id = self.begin_session(rules, &user, address, agent).await?;
        self.0.metrics.sign_in(SignInOutcome::Ok);
        note_by(&user.name, "sign_in", &user.name, "");
        Ok((id, user))
    }

    /// Begins a session of somebody who is known; says what the cookie has to hold.
    ///
    /// # Errors
    /// [`PeopleError`] when there are no random bytes or the store does not answer.
    pub async fn begin_session(
        &self,
        rules: &PeopleRules,
        user: &User,
        address: &str,
        agent: &str,
    ) -> Result<String, PeopleError> {
        let id = secret()?;
        let now = self.now();
        let session = Session {
            id_hash: hash(&id),
            user: user.clone(),
            created_at: now,
            seen_at: now,
            expires_at: now.plus(rules.session_max),
            address: address.to_owned(),
            agent: agent[..agent.floor_char_boundary(MAX_AGENT.min(agent.len()))].to_owned(),
        };
        self.0.store.add_session(&session, MOST_SESSIONS).await?;
        Ok(id)
    }

    /// Whose session this cookie is of; `None` when it is of none, or over.
    pub(super) async fn by_session(
        &self,
        rules: &PeopleRules,
        id: &str,
        address: &str,
    ) -> Result<Option<Actor>, PeopleError> {
        if id.len() != 64 {
            return Ok(None);
        }
        let id_hash = hash(id);
        let Some(session) = self.0.store.session(&id_hash).await? else { return Ok(None) };
        let now = self.now();
        let idle = now.since(session.seen_at);
        let age = now.since(session.created_at);
        if session.user.disabled || idle >= rules.session_idle || age >= rules.session_max {
            self.0.store.end_session(&id_hash).await?;
            return Ok(None);
        }
        if idle >= SEEN_EVERY {
            self.0.store.session_seen(&id_hash, now).await?;
        }
        Ok(Some(Actor {
            permissions: session.user.role.permissions(),
            role: Some(session.user.role),
            user: session.user.id,
            name: session.user.name,
            way: Way::Session { id_hash, csrf: csrf_of(id) },
            address: address.to_owned(),
        }))
    }

    /// A user's sessions, newest first.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn sessions(&self, user: &str) -> Result<Vec<Session>, PeopleError> {
        Ok(self.0.store.sessions_of(user).await?)
    }

    /// Signs out.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn sign_out(&self, actor: &Actor) -> Result<(), PeopleError> {
        if let Way::Session { id_hash, .. } = &actor.way {
            self.0.store.end_session(id_hash).await?;
            note("sign_out", &actor.name, "");
        }
        Ok(())
    }

    /// Ends every session of a user; says how many.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn sign_out_everywhere(&self, user: &User) -> Result<u64, PeopleError> {
        let ended = self.0.store.end_sessions_of(&user.id).await?;
        note("sign_out_everywhere", &user.name, format!("{ended} sessions"));
        Ok(ended)
    }
}
