//! Memory that this process really holds.

use anyhow::Context;

/// Resident bytes of this process, from `/proc/self/status`.
///
/// # Errors
/// When the system does not tell.
pub fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("the system tells no memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident size")?;
    let kib: u64 =
        line.trim().trim_end_matches("kB").trim().parse().context("a resident size that is no number")?;
    Ok(kib * 1024)
}
