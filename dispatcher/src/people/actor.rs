//! Who asks: known to everything that answers a request, and never taken from a form.

use super::role::{Permission, Permissions, Role};
use crate::api::Problem;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::sync::{Arc, Mutex, PoisonError};

/// How somebody came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Not at all.
    Nobody,
    /// Nobody has to sign in here.
    Open,
    /// With name and password.
    Session {
        /// What is stored of the session's id.
        id_hash: String,
        /// What forms of this session carry.
        csrf: String,
    },
    /// With a token.
    Token {
        /// Its id.
        id: String,
        /// What its owner calls it.
        name: String,
    },
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user's id; empty for nobody and where nobody signs in.
    pub user: String,
    /// The user's name.
    pub name: String,
    /// The user's role; `None` for nobody and where nobody signs in.
    pub role: Option<Role>,
    /// What he may do, by role and by the token's scopes.
    pub permissions: Permissions,
    /// How he came in.
    pub way: Way,
    /// From which address; empty when it is not known.
    pub address: String,
}

impl Actor {
    /// Nobody.
    #[must_use]
    pub fn nobody(address: String) -> Self {
        Self {
            user: String::new(),
            name: String::new(),
            role: None,
            permissions: Permissions::NONE,
            way: Way::Nobody,
            address,
        }
    }

    /// Whoever it is, where nobody signs in.
    #[must_use]
    pub fn open(address: String) -> Self {
        Self { permissions: Permissions::ALL, way: Way::Open, ..Self::nobody(address) }
    }

    /// Whether he may.
    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.permissions.has(permission)
    }

    /// Whether it is somebody.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.way != Way::Nobody
    }

    /// The name in trails and in the audit log.
    #[must_use]
    pub fn signature(&self) -> String {
        match &self.way {
            Way::Nobody => "nobody".to_owned(),
            Way::Open => "open".to_owned(),
            Way::Session { .. } => self.name.clone(),
            Way::Token { name, .. } => format!("{} via {name}", self.name),
        }
    }

    /// Who acts, for a trail: whoever has signed in. What a request says is taken only where nobody signs in.
    ///
    /// # Errors
    /// What is wrong with a name that was given, or that one is missing.
    pub fn by(&self, given: Option<&str>) -> Result<String, Problem> {
        let given = given.map(str::trim).filter(|given| !given.is_empty());
        match (&self.way, given) {
            (Way::Open, Some(given)) => Ok(given.to_owned()),
            (Way::Open, None) => Err(Problem::invalid("'by' does not say who acts")),
            (_, None) => Ok(self.signature()),
            (_, Some(given)) if given == self.signature() => Ok(given.to_owned()),
            (_, Some(_)) => Err(Problem::invalid(format!(
                "'by' is whoever has signed in, here '{}': leave it out",
                self.signature()
            ))),
        }
    }

    /// What forms carry, so that a page of another site cannot send them; empty where nobody signs in.
    #[must_use]
    pub fn csrf(&self) -> &str {
        match &self.way {
            Way::Session { csrf, .. } => csrf,
            _ => "",
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, "nothing says who asks"))
    }
}

/// What a request did, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) by: Option<String>,
    pub(super) event: String,
    pub(super) subject: String,
    pub(super) detail: String,
}

/// What is known of a request while it is answered.
#[derive(Debug)]
pub(super) struct Visit {
    actor: Actor,
    notes: Mutex<Vec<Note>>,
}

impl Visit {
    pub(super) fn of(actor: Actor) -> Arc<Self> {
        Arc::new(Self { actor, notes: Mutex::new(Vec::new()) })
    }

    pub(super) fn notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

tokio::task_local! {
    pub(super) static VISIT: Arc<Visit>;
}

/// Who asks, in whatever answers a request that has come through the gate; `None` outside of one.
#[must_use]
pub fn current() -> Option<Actor> {
    VISIT.try_with(|visit| visit.actor.clone()).ok()
}

/// Has the audit log say what the request that is answered did; without it, a request that changed something is told by
/// its method and path. Does nothing outside of a request.
pub fn note(event: &str, subject: &str, detail: impl Into<String>) {
    put(None, event, subject, detail.into());
}

/// The same by a name that the gate could not know yet: of whoever signs in.
pub(super) fn note_by(by: &str, event: &str, subject: &str, detail: impl Into<String>) {
    put(Some(by.to_owned()), event, subject, detail.into());
}

fn put(by: Option<String>, event: &str, subject: &str, detail: String) {
    let note = Note { by, event: event.to_owned(), subject: subject.to_owned(), detail };
    // Outside of a request there is nothing to note it on.
    let _ = VISIT.try_with(|visit| visit.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note));
}
