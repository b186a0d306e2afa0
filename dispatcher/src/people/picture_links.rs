//! Addresses of pictures that open without signing in: for receivers outside, of one picture each, and for a time.
//!
//! Design decision: they are signed when a message goes out, not when it is composed. The stored message stays the same
//! for every store and every replay, nothing that opens a picture lies in the database, and a retry days later still
//! brings a good address.

use super::Seal;
use crate::envelope::{Data, Envelope};
use citybrain_ingest_config::City;
use citybrain_types::{SnapshotRef, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use url::Url;

/// What the seal is for.
const PURPOSE: &str = "picture";
/// An address ends at a full hour, so that attempts close to each other send the same one.
const STEP_SECS: u64 = 3_600;

/// Why an address opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// It is none of ours, or of another picture.
    Forged,
    /// Its time is over.
    Over,
}

fn text(picture: &SnapshotRef, until: u64) -> String {
    format!("{until}\n{}", picture.as_str())
}

/// Signs addresses of pictures; cloning clones a handle.
#[derive(Debug, Clone)]
pub(crate) struct PictureLinks {
    seal: Seal,
    /// Zero: addresses are not signed.
    secs: Arc<AtomicU64>,
}

impl PictureLinks {
    pub(crate) fn new(seal: Seal, city: &City) -> Self {
        let links = Self { seal, secs: Arc::default() };
        links.follow(city);
        links
    }

    /// Takes over how long addresses are good.
    pub(crate) fn follow(&self, city: &City) {
        self.secs.store(city.people.picture_links.as_secs(), Ordering::Relaxed);
    }

    /// A message with its addresses of pictures signed. One that cannot be read is left as it is.
    pub(crate) fn signed(&self, body: &str, now: Timestamp) -> Option<String> {
        let secs = self.secs.load(Ordering::Relaxed);
        if secs == 0 {
            return None;
        }
        let mut envelope: Envelope = serde_json::from_str(body).ok()?;
        let Data { case, links } = &mut envelope.data;
        let (at, before) = match &case.snapshots {
            Some(snapshots) => (Some(&snapshots.at), snapshots.before.as_ref()),
            None => (None, None),
        };
        let seen = links.snapshot_at.iter_mut().zip(at).chain(links.snapshot_before.iter_mut().zip(before));
        let until = until(now, secs);
        for (link, picture) in seen.chain(links.photos.iter_mut().zip(&case.work.photos)) {
            *link = signed(&self.seal, link, picture, until);
        }
        serde_json::to_string(&envelope).ok()
    }
}

/// When an address that is made now is over, in seconds since 1970.
fn until(now: Timestamp, secs: u64) -> u64 {
    let now = u64::try_from(now.as_millis() / 1_000).unwrap_or_default();
    now.saturating_add(secs).div_ceil(STEP_SECS).saturating_mul(STEP_SECS)
}

/// `…/snapshots/<picture>` as `…/pictures/<picture>?until=…&mark=…`.
fn signed(seal: &Seal, link: &Url, picture: &SnapshotRef, until: u64) -> Url {
    let mut url = link.clone();
    // Only an address that cannot be a base refuses, which one of ours can.
    if let Ok(mut path) = url.path_segments_mut() {
        for _ in picture.as_str().split('/') {
            path.pop();
        }
        path.pop().push("pictures").extend(picture.as_str().split('/'));
    }
    let mark = seal.mark(PURPOSE, &text(picture, until));
    url.query_pairs_mut().append_pair("until", &until.to_string()).append_pair("mark", &mark);
    url
}

/// Whether an address opens this picture now. `longest` is how long addresses are good at most: what was signed for
/// longer under an earlier configuration ends, too.
pub(crate) fn opens(
    seal: &Seal,
    picture: &SnapshotRef,
    (until, mark): (u64, &str),
    longest: Duration,
    now: Timestamp,
) -> Result<(), Shut> {
    if !seal.fits(PURPOSE, &text(picture, until), mark) {
        return Err(Shut::Forged);
    }
    let now = u64::try_from(now.as_millis() / 1_000).unwrap_or_default();
    let is_over = now >= until || until > now.saturating_add(longest.as_secs()).saturating_add(STEP_SECS);
    if is_over || longest.is_zero() { Err(Shut::Over) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_300_000_000);
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);

    #[test]
    fn an_address_opens_one_picture_until_its_time_is_over() {
        let seal = Seal::of("key");
        let picture = SnapshotRef::new("gate-1/2026-11-25/at.jpg").unwrap();
        let other = SnapshotRef::new("gate-2/2026-11-25/at.jpg").unwrap();
        let link = Url::parse("https://city.example/desk/snapshots/gate-1/2026-11-25/at.jpg").unwrap();
        let until = until(NOW, WEEK.as_secs());
        let url = signed(&seal, &link, &picture, until);
        assert!(
            url.as_str().starts_with("https://city.example/desk/pictures/gate-1/2026-11-25/at.jpg?until="),
            "{url}"
        );
        let mark = url.query_pairs().find(|(name, _)| name == "mark").unwrap().1.into_owned();
        let opens = |picture: &SnapshotRef, until: u64, mark: &str, now: Timestamp| {
            super::opens(&seal, picture, (until, mark), WEEK, now)
        };
        assert_eq!(opens(&picture, until, &mark, NOW), Ok(()));
        assert_eq!(opens(&other, until, &mark, NOW), Err(Shut::Forged));
        assert_eq!(opens(&picture, until + 3_600, &mark, NOW), Err(Shut::Forged));
        assert_eq!(opens(&picture, until, &mark[1..], NOW), Err(Shut::Forged));
        assert_eq!(opens(&picture, until, "", NOW), Err(Shut::Forged));
        let later = NOW.plus(WEEK);
        assert_eq!(opens(&picture, until, &mark, later), Ok(()), "at least as long as promised");
        assert_eq!(opens(&picture, until, &mark, later.plus(Duration::from_secs(3_600))), Err(Shut::Over));
        let seconds = |secs| super::opens(&seal, &picture, (until, &mark), Duration::from_secs(secs), NOW);
        assert_eq!((seconds(0), seconds(3_600)), (Err(Shut::Over), Err(Shut::Over)));
        assert_eq!(
            super::opens(&Seal::of("another"), &picture, (until, &mark), WEEK, NOW),
            Err(Shut::Forged)
        );
    }
}
