//! Kinds of event and labels of models. Both are data: a city adds a kind by a row in its catalogue.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the name as it stands.
            #[must_use]
            pub fn new(name: impl AsRef<str>) -> Self {
                Self(Arc::from(name.as_ref()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
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

name_type!(
    /// The code of a row in the event catalogue, for instance `fire`.
    EventKind
);
name_type!(
    /// What a model calls one of its outputs, for instance `smoke`; the catalogue says which kind it speaks for.
    Label
);

impl EventKind {
    /// Flame or smoke; the one kind with a pre-alarm.
    pub const FIRE: &'static str = "fire";
    /// A camera that cannot be trusted: covered, frozen, unreachable.
    pub const CAMERA_FAULT: &'static str = "camera_fault";
}
