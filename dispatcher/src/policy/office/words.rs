//! Lines of a policy's history, names, and what people write.

use super::OfficeError;
use crate::policy::record::{MAX_TITLE, hex};
use crate::policy::{NewPolicy, PolicyChange, PolicyRecord, PolicyState, fingerprint};
use citybrain_types::Timestamp;
use sha2::{Digest, Sha256};

/// Longest reason, in characters.
const MAX_REASON: usize = 500;
/// Longest name of a person, in characters.
const MAX_NAME: usize = 100;

pub(super) fn moved(before: &PolicyRecord, to: PolicyState, now: Timestamp) -> PolicyRecord {
    PolicyRecord { version: before.version + 1, state: to, updated_at: now, ..before.clone() }
}

pub(super) fn line(
    record: &PolicyRecord,
    action: &str,
    from: Option<PolicyState>,
    (by, reason): (&str, &str),
    at: Timestamp,
) -> PolicyChange {
    PolicyChange {
        version: record.version,
        action: action.to_owned(),
        from,
        to: record.state,
        at,
        by: by.trim().to_owned(),
        reason: reason.chars().take(MAX_REASON + 100).collect(),
    }
}

/// `policy-<day>-<hash>`.
pub(super) fn name(new: &NewPolicy, now: Timestamp) -> String {
    let first = format!("{}\n{}\n{}\n{}", new.title, new.by, now.as_micros(), fingerprint(&new.policy));
    let day: String =
        now.to_string().chars().take_while(|c| *c != 'T').filter(char::is_ascii_digit).collect();
    format!("policy-{day}-{}", hex(&Sha256::digest(first.as_bytes())[..6]))
}

pub(super) fn check_title(title: &str) -> Result<(), OfficeError> {
    one_line("title", title, 1, MAX_TITLE)
}

/// Who and why.
pub(super) fn check_words(by: &str, reason: &str) -> Result<(), OfficeError> {
    one_line("by", by, 1, MAX_NAME)?;
    one_line("reason", reason, 1, MAX_REASON)
}

fn one_line(what: &str, text: &str, least: usize, most: usize) -> Result<(), OfficeError> {
    let length = text.trim().chars().count();
    if (least..=most).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(OfficeError::Invalid(format!("'{what}' must have {least} to {most} characters in one line")))
}
