//! Acceptance: the real binary against real servers.
