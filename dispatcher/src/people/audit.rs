//! The audit log: append-only, each row chained to the one before.
//!
//! A row's hash is SHA-256 over the hash before and the row's own canonical bytes, so a row that was changed, taken out or
//! moved breaks the chain at its place. Rows cut off at the end leave a chain that is whole: the head, number and hash of
//! the newest row, is therefore also kept in a file below the data folder, logged at start, and shown, to be compared.

use super::secret::hex;
use citybrain_types::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};

/// The hash before the first row.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Name of the file below the data folder that remembers the head.
pub const HEAD_FILE: &str = "audit.head";
/// Longest text in a row, in bytes; longer ones are cut.
const MAX_TEXT: usize = 2_000;

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: the person or token, or what did it by itself.
    pub by: String,
    /// From which address; empty where there is none.
    pub address: String,
    /// What happened, for instance `sign_in` or `case.accept`.
    pub event: String,
    /// To whom or what.
    pub subject: String,
    /// In words.
    pub detail: String,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AuditRow {
    /// Its number, from 1 without a gap.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who: the person or token, or what did it by itself.
    pub by: String,
    /// From which address; empty where there is none.
    pub address: String,
    /// What happened, for instance `sign_in` or `case.accept`.
    pub event: String,
    /// To whom or what.
    pub subject: String,
    /// In words.
    pub detail: String,
    /// The hash of the row before; zeros before the first.
    pub before: String,
    /// SHA-256 over `before` and this row.
    pub hash: String,
}

/// The newest row: its number and hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Head {
    /// Its number; 0 when there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

impl Head {
    /// Of a log without rows.
    #[must_use]
    pub fn beginning() -> Self {
        Self { seq: 0, hash: BEGINNING.to_owned() }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a head is a number, a colon and 64 hexadecimal digits".to_owned();
        let (seq, hash) = text.trim().split_once(':').ok_or_else(wrong)?;
        let seq = seq.parse().map_err(|_| wrong())?;
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        Ok(Self { seq, hash: hash.to_ascii_lowercase() })
    }
}

impl AuditRow {
    /// The row after `head`.
    #[must_use]
    pub fn after(head: &Head, entry: &Entry) -> Self {
        let mut row = Self {
            seq: head.seq + 1,
            at: entry.at,
            by: cut(&entry.by),
            address: cut(&entry.address),
            event: cut(&entry.event),
            subject: cut(&entry.subject),
            detail: cut(&entry.detail),
            before: head.hash.clone(),
            hash: String::new(),
        };
        row.hash = row.expected_hash();
        row
    }

    /// What its hash must be. Numbers are eight bytes, the lowest first; a text stands behind its length.
    #[must_use]
    pub fn expected_hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        text(&self.before);
        text(&self.seq.to_string());
        text(&self.at.as_micros().to_string());
        [&self.by, &self.address, &self.event, &self.subject, &self.detail].into_iter().for_each(|t| text(t));
        hex(&hash.finalize())
    }

    /// Its number and hash.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash.clone() }
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT.min(text.len()));
    text[..end].to_owned()
}

/// What verifying the log has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdict {
    /// Nothing was changed, taken out or moved.
    pub whole: bool,
    /// Rows looked at.
    pub rows: u64,
    /// The newest row up to which the chain holds.
    pub head: Head,
    /// What is wrong, and where.
    pub fault: Option<String>,
}

/// Follows the chain, row by row.
#[derive(Debug)]
pub struct Verifier {
    head: Head,
    fault: Option<String>,
    expected: Vec<Head>,
}

impl Verifier {
    /// Expects to meet these heads on the way.
    #[must_use]
    pub fn new(expected: Vec<Head>) -> Self {
        Self { head: Head::beginning(), fault: None, expected }
    }

    /// Whether it is worth going on.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        self.fault.is_none()
    }

    /// Looks at the next row, in the order of the numbers.
    pub fn take(&mut self, row: &AuditRow) {
        if self.fault.is_some() {
            return;
        }
        let next = self.head.seq + 1;
        self.fault = if row.seq != next {
            Some(format!("row {next} is missing: the next is {}", row.seq))
        } else if row.before != self.head.hash {
            Some(format!("row {next} does not follow the row before it"))
        } else if row.hash != row.expected_hash() {
            Some(format!("row {next} was changed"))
        } else if self.expected.iter().any(|head| head.seq == row.seq && head.hash != row.hash) {
            Some(format!("row {next} is another than the one that was remembered"))
        } else {
            self.head = row.head();
            None
        };
    }

    /// What was found, once there is no further row.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        let beyond = self.expected.iter().map(|head| head.seq).max().filter(|seq| *seq > self.head.seq);
        let cut_off = || {
            let beyond = beyond?;
            Some(format!(
                "the log ends at row {}, and row {beyond} is remembered: its end is gone",
                self.head.seq
            ))
        };
        let fault = self.fault.clone().or_else(cut_off);
        Verdict { whole: fault.is_none(), rows: self.head.seq, head: self.head, fault }
    }
}

/// The file that remembers the head, so that an end that is cut off is noticed.
#[derive(Debug, Clone)]
pub(super) struct HeadFile(PathBuf);

impl HeadFile {
    pub(super) fn below(data_dir: &Path) -> Self {
        Self(data_dir.join(HEAD_FILE))
    }

    pub(super) async fn read(&self) -> Option<Head> {
        tokio::fs::read_to_string(&self.0).await.ok()?.parse().ok()
    }

    /// Written whole or not at all; one that cannot be written is said to be, and costs nothing else.
    pub(super) async fn write(&self, head: &Head) {
        let part = self.0.with_extension("part");
        let written = async {
            tokio::fs::write(&part, format!("{head}\n")).await?;
            tokio::fs::rename(&part, &self.0).await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "the head of the audit log cannot be remembered beside it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: u64) -> Vec<AuditRow> {
        let mut head = Head::beginning();
        (0..count)
            .map(|n| {
                let entry = Entry {
                    at: Timestamp::from_millis(i64::try_from(n).unwrap()),
                    by: "li".into(),
                    address: "127.0.0.1".into(),
                    event: "case.accept".into(),
                    subject: format!("case-{n}"),
                    detail: String::new(),
                };
                let row = AuditRow::after(&head, &entry);
                head = row.head();
                row
            })
            .collect()
    }

    fn verdict(rows: &[AuditRow], expected: Vec<Head>) -> Verdict {
        let mut verifier = Verifier::new(expected);
        rows.iter().for_each(|row| verifier.take(row));
        verifier.verdict()
    }

    #[test]
    fn every_change_deletion_and_swap_is_found_at_its_place() {
        let rows = chain(5);
        assert!(verdict(&rows, vec![]).whole);
        for at in 0..5 {
            let mut changed = rows.clone();
            changed[at].detail = "nothing of note".into();
            assert_eq!(verdict(&changed, vec![]).fault.unwrap(), format!("row {} was changed", at + 1));
            // Whoever writes a fitting hash, too, breaks the next link, or the head that was remembered.
            changed[at].hash = changed[at].expected_hash();
            assert!(!verdict(&changed, vec![rows[4].head()]).whole, "row {at}");
            let mut without = rows.clone();
            without.remove(at);
            assert!(!verdict(&without, vec![rows[4].head()]).whole, "row {at}");
        }
        for at in 0..4 {
            let mut swapped = rows.clone();
            swapped.swap(at, at + 1);
            let (a, b) = (swapped[at].seq, swapped[at + 1].seq);
            assert!(!verdict(&swapped, vec![]).whole);
            swapped[at].seq = b;
            swapped[at + 1].seq = a;
            assert!(!verdict(&swapped, vec![]).whole);
        }
    }

    #[test]
    fn an_end_that_was_cut_off_is_found_by_the_head_that_was_remembered() {
        let rows = chain(5);
        let head: Head = rows[4].head().to_string().parse().unwrap();
        assert!(verdict(&rows[..3], vec![]).whole, "a chain alone cannot tell");
        let found = verdict(&rows[..3], vec![head.clone()]);
        assert!(found.fault.unwrap().contains("its end is gone"));
        assert!(verdict(&rows, vec![head]).whole);
    }
}
