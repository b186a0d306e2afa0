//! Identifiers: short printable strings that are safe in a path, a URL, a topic and a log line.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a string is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("an id is empty")]
    Empty,
    /// Longer than [`MAX_ID_LEN`] bytes.
    #[error("id '{0}…' is longer than {MAX_ID_LEN} characters")]
    TooLong(String),
    /// A character that is not allowed, or an id that starts with a dot.
    #[error("id '{id}' holds '{found}': use letters, digits, '-', '_' and '.', and do not start with '.'")]
    BadCharacter {
        /// The string as given.
        id: String,
        /// The first offending character.
        found: char,
    },
}

/// Longest identifier, in bytes.
pub const MAX_ID_LEN: usize = 64;

fn check(id: &str) -> Result<(), IdError> {
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    if id.len() > MAX_ID_LEN {
        return Err(IdError::TooLong(id.chars().take(16).collect()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let offending = if id.starts_with('.') { Some('.') } else { id.chars().find(|c| !allowed(*c)) };
    match offending {
        Some(found) => Err(IdError::BadCharacter { id: id.chars().take(MAX_ID_LEN).collect(), found }),
        None => Ok(()),
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks length and characters.
            ///
            /// # Errors
            /// [`IdError`] when the string is empty, too long or holds a character unsafe in a path or URL.
            pub fn new(id: impl AsRef<str>) -> Result<Self, IdError> {
                check(id.as_ref())?;
                Ok(Self(Arc::from(id.as_ref())))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(id: String) -> Result<Self, IdError> {
                Self::new(id)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(id: &str) -> Result<Self, IdError> {
                Self::new(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id_type!(
    /// One camera as the city names it.
    CameraId
);
id_type!(
    /// A department that handles cases.
    DepartmentId
);
id_type!(
    /// One place deliveries go to: a webhook, an MQTT topic.
    DestinationId
);
id_type!(
    /// A detector and its version, `name@version` written `name-version`.
    ModelId
);
id_type!(
    /// One happening in the city.
    IncidentId
);
id_type!(
    /// A case; derived from its incident's first event, so that a replay names it the same.
    CaseId
);

/// Where a snapshot lies: a relative path of ids, `camera/day/time-what.jpg`, below the snapshot store's root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotRef(Arc<str>);

impl SnapshotRef {
    /// Checks that the path stays below the store's root: parts are ids, none is empty or starts with a dot.
    ///
    /// # Errors
    /// [`IdError`] of the first part that is not an id.
    pub fn new(path: impl AsRef<str>) -> Result<Self, IdError> {
        path.as_ref().split('/').try_for_each(check)?;
        Ok(Self(Arc::from(path.as_ref())))
    }

    /// The relative path, with `/` between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SnapshotRef {
    type Error = IdError;
    fn try_from(path: String) -> Result<Self, IdError> {
        Self::new(path)
    }
}

impl From<SnapshotRef> for String {
    fn from(path: SnapshotRef) -> String {
        path.0.to_string()
    }
}

impl fmt::Display for SnapshotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_safe_in_a_path() {
        for bad in ["", "..", ".hidden", "a/b", "a b", "摄像头", "a\n", &"x".repeat(65)] {
            assert!(CameraId::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(CameraId::new("gate-3_north.1").unwrap().as_str(), "gate-3_north.1");
    }

    #[test]
    fn a_snapshot_cannot_leave_its_store() {
        for bad in ["/etc/passwd", "../x.jpg", "a/../b.jpg", "a//b.jpg", ""] {
            assert!(SnapshotRef::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(SnapshotRef::new("cam-1/2026-11-22/03-20-00.123-at.jpg").is_ok());
    }
}
