//! Where a table stands in the file, and what people call that place.

use std::fmt;

/// A table on the way from the top of the file to a key; made on the stack while the document is walked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Where<'p> {
    /// The top of the file.
    Top,
    /// A table under a key.
    Key(&'p Where<'p>, &'p str),
    /// An item of a list, counted from 0.
    Item(&'p Where<'p>, usize),
}

impl Where<'_> {
    /// The path of a key in this table, for instance `cameras[2].url`; rows are counted from 1.
    pub(crate) fn path_of(&self, key: &str) -> String {
        match self {
            Self::Top => key.to_owned(),
            _ => format!("{}.{key}", self.path()),
        }
    }

    /// The path of this table.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Top => String::new(),
            Self::Key(parent, key) => parent.path_of(key),
            Self::Item(parent, index) => format!("{}[{}]", parent.path(), index + 1),
        }
    }

    fn names(&self) -> String {
        match self {
            Self::Top => String::new(),
            Self::Item(parent, _) => parent.names(),
            Self::Key(parent, key) => {
                let names = parent.names();
                if names.is_empty() { (*key).to_owned() } else { format!("{names}.{key}") }
            }
        }
    }
}

impl fmt::Display for Where<'_> {
    /// `[site]`, `[[cameras]] #2`, `[sinks.webhook] of [[sinks]] #1`, `the file`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => f.write_str("the file"),
            Self::Item(list @ Self::Key(Self::Top, _), index) => {
                write!(f, "[[{}]] #{}", list.names(), index + 1)
            }
            Self::Item(list, index) => write!(f, "item {} of {}", index + 1, list.path()),
            Self::Key(Self::Top, key) => write!(f, "[{key}]"),
            Self::Key(parent, _) => write!(f, "[{}] of {parent}", self.names()),
        }
    }
}
