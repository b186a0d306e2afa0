//! Guessing is slow: failed attempts are counted by name and by address.
//!
//! A name is counted whether a user has it or not, so that the answer does not tell. The wait for a name is short, since
//! anybody can make others wait; the wait for an address grows long.

use citybrain_types::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Names and addresses remembered; the one that failed longest ago makes room.
const REMEMBERED: usize = 4_096;
/// A name or address that has not failed for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60 * 60);
/// Failures before a name has to wait, and the longest wait.
const NAME: Limit = Limit { free: 5, longest: Duration::from_secs(30) };
/// The same for an address, behind which a whole office may sit.
const ADDRESS: Limit = Limit { free: 20, longest: Duration::from_secs(15 * 60) };

#[derive(Debug, Clone, Copy)]
struct Limit {
    free: u32,
    longest: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

/// Counts failed attempts.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    names: HashMap<String, Failures>,
    addresses: HashMap<String, Failures>,
}

fn wait(counts: &HashMap<String, Failures>, key: &str, limit: Limit, now: Timestamp) -> Option<Duration> {
    let failures = counts.get(key)?;
    let beyond = failures.count.checked_sub(limit.free)?;
    let wait = Duration::from_secs(1_u64 << beyond.min(20)).min(limit.longest);
    wait.checked_sub(now.since(failures.last)).filter(|left| !left.is_zero())
}

fn count(counts: &mut HashMap<String, Failures>, key: &str, now: Timestamp) {
    if !counts.contains_key(key) && counts.len() >= REMEMBERED {
        counts.retain(|_, failures| now.since(failures.last) < FORGET_AFTER);
        if counts.len() >= REMEMBERED
            && let Some(oldest) = counts.iter().min_by_key(|(_, f)| f.last).map(|(key, _)| key.clone())
        {
            counts.remove(&oldest);
        }
    }
    let failures = counts.entry(key.to_owned()).or_insert(Failures { count: 0, last: now });
    if now.since(failures.last) >= FORGET_AFTER {
        failures.count = 0;
    }
    *failures = Failures { count: failures.count.saturating_add(1), last: now };
}

impl Throttle {
    /// An attempt begins. It counts as failed until [`Throttle::succeeded`] says otherwise, so that many at once gain
    /// nothing.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub(super) fn begin(&self, name: &str, address: &str, now: Timestamp) -> Result<(), Duration> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = [wait(&counts.names, name, NAME, now), wait(&counts.addresses, address, ADDRESS, now)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        count(&mut counts.names, name, now);
        count(&mut counts.addresses, address, now);
        Ok(())
    }

    /// The same where it is not known yet who comes: by the address alone.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub(super) fn begin_from(&self, address: &str, now: Timestamp) -> Result<(), Duration> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match wait(&counts.addresses, address, ADDRESS, now) {
            Some(wait) => Err(wait),
            None => {
                count(&mut counts.addresses, address, now);
                Ok(())
            }
        }
    }

    /// The attempt was a right one.
    pub(super) fn succeeded(&self, name: &str, address: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.names.remove(name);
        if let Some(failures) = counts.addresses.get_mut(address) {
            failures.count = failures.count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_300_000_000);

    #[test]
    fn a_name_waits_longer_with_each_failure_and_a_success_forgets_them() {
        let throttle = Throttle::default();
        for _ in 0..5 {
            throttle.begin("li", "a", NOW).unwrap();
        }
        assert_eq!(throttle.begin("li", "b", NOW), Err(Duration::from_secs(1)));
        throttle.begin("wang", "b", NOW).unwrap();
        let later = NOW.plus(Duration::from_secs(1));
        throttle.begin("li", "b", later).unwrap();
        assert_eq!(throttle.begin("li", "b", later), Err(Duration::from_secs(2)));
        throttle.succeeded("li", "b");
        throttle.begin("li", "b", later).unwrap();
    }

    #[test]
    fn an_address_that_tries_many_names_waits() {
        let throttle = Throttle::default();
        for n in 0..20 {
            throttle.begin(&format!("name-{n}"), "a", NOW).unwrap();
        }
        assert!(throttle.begin("another", "a", NOW).is_err());
        throttle.begin("another", "b", NOW).unwrap();
    }

    #[test]
    fn an_address_whose_rounds_to_the_provider_fail_waits_and_one_that_comes_in_does_not() {
        let throttle = Throttle::default();
        for _ in 0..60 {
            throttle.begin_from("office", NOW).unwrap();
            throttle.succeeded("li", "office");
        }
        for _ in 0..20 {
            throttle.begin_from("a", NOW).unwrap();
        }
        assert_eq!(throttle.begin_from("a", NOW), Err(Duration::from_secs(1)));
        throttle.begin("li", "b", NOW).unwrap();
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..u64::try_from(2 * REMEMBERED).unwrap() {
            let now = NOW.plus(Duration::from_millis(n));
            throttle.begin(&format!("name-{n}"), &format!("address-{n}"), now).unwrap();
        }
        let counts = throttle.counts.lock().unwrap();
        assert_eq!((counts.names.len(), counts.addresses.len()), (REMEMBERED, REMEMBERED));
        assert!(counts.names.contains_key(&format!("name-{}", 2 * REMEMBERED - 1)));
    }
}
