//! A connection is an open file, and a city has more cameras than the 1,024 files that a process may open by default.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files opened beside connections: database, models, logs, the listener's clients.
const BESIDE: u64 = 512;

/// How many files this process may have open, once it has asked for as many as it can get, and how many so many
/// connections want. No limit is `None`.
#[must_use]
pub fn limit_for(connections: usize) -> (Option<u64>, u64) {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => before.maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            before.current
        }
    };
    (limit, connections as u64 + BESIDE)
}

/// Raises the limit as far as the system lets a process raise it by itself, and warns when that is too little for so
/// many connections.
pub fn allow(connections: usize) {
    if let (Some(limit), wanted) = limit_for(connections)
        && limit < wanted
    {
        tracing::warn!(
            limit,
            wanted,
            "too few open files are allowed for every camera to be connected: raise LimitNOFILE (systemd) or ulimit -n"
        );
    }
}
