//! Passwords: what is taken for one, and how it is kept.
//!
//! Argon2id with 19 MiB, two passes and one lane, the first choice of the OWASP cheat sheet for password storage. Hashing
//! takes tens of milliseconds of a core, so it is done beside the async threads, and only [`AT_ONCE`] at once.

use super::secret::random;
use super::{PeopleError, Why};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Shortest password, in characters.
pub const MIN_CHARACTERS: usize = 12;
/// Longest password, in bytes.
pub const MAX_BYTES: usize = 256;
/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Hashes at once: 38 MiB and two cores at most.
const AT_ONCE: usize = 2;
/// Whoever comes when so many wait is sent away: seconds of waiting, not minutes.
const WAITING: usize = 64;

/// What everybody tries first, without case, spaces and digits at the end.
const COMMON: [&str; 20] = [
    "password",
    "passw0rd",
    "administrator",
    "admin",
    "citybrain",
    "qwertyuiop",
    "qwertyuiopas",
    "qwerty",
    "asdfghjkl",
    "letmein",
    "welcome",
    "changeme",
    "iloveyou",
    "monkey",
    "dragon",
    "woaini",
    "mima",
    "operator",
    "supervisor",
    "default",
];

/// Whether a password may be used.
///
/// # Errors
/// [`PeopleError::Refused`] with what is wrong with it.
pub fn check(password: &str, name: &str) -> Result<(), PeopleError> {
    let refused = |why: Why| Err(PeopleError::Refused(why));
    if password.chars().count() < MIN_CHARACTERS {
        return refused(Why::PasswordShort);
    }
    if password.len() > MAX_BYTES {
        return refused(Why::PasswordLong);
    }
    let plain: String = password.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let different: std::collections::BTreeSet<char> = plain.chars().collect();
    if different.len() < 5 {
        return refused(Why::PasswordPlain);
    }
    let name: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    if name.chars().count() >= 3 && plain.contains(&name) {
        return refused(Why::PasswordHoldsName);
    }
    let word = plain.trim_end_matches(|c: char| c.is_ascii_digit());
    let half = &word[..word.char_indices().nth(word.chars().count() / 2).map_or(0, |(at, _)| at)];
    let doubled = !half.is_empty() && format!("{half}{half}") == word;
    let is_common = COMMON.contains(&word) || (doubled && COMMON.contains(&half)) || word.is_empty();
    if is_common || "0123456789012345678901234567890".contains(&plain) {
        return refused(Why::PasswordCommon);
    }
    Ok(())
}

/// Hashes and compares passwords.
#[derive(Debug, Clone)]
pub(super) struct Hasher {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// A hash of nobody's password: a name that is not there is answered as late as one that is.
    nobody: Arc<str>,
}

fn argon2() -> Result<Argon2<'static>, PeopleError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| PeopleError::Busy)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The PHC string of a password; takes tens of milliseconds.
pub(super) fn hash(password: &str) -> Result<String, PeopleError> {
    let salt = random::<16>()?;
    let hash: PasswordHash =
        argon2()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| PeopleError::Busy)?;
    Ok(hash.to_string())
}

fn verify(password: &str, kept: &str) -> bool {
    let Ok(kept) = PasswordHash::new(kept) else { return false };
    argon2().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), &kept).is_ok())
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Hasher {
    pub(super) fn new() -> Result<Self, PeopleError> {
        let nobody = hash(&super::secret::secret()?)?;
        Ok(Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(AtomicUsize::new(0)),
            nobody: nobody.into(),
        })
    }

    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PeopleError> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING {
            return Err(PeopleError::Busy);
        }
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| PeopleError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.map_err(|_| PeopleError::Busy)
    }

    /// The PHC string of a password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, PeopleError> {
        let password = password.to_owned();
        self.beside(move || hash(&password)).await?
    }

    /// Whether it is the password of a user, of whom this is kept; never of nobody, which takes as long.
    pub(super) async fn verify(&self, password: &str, kept: Option<&str>) -> Result<bool, PeopleError> {
        let is_somebody = kept.is_some();
        let kept = kept.unwrap_or(&self.nobody).to_owned();
        // What is longer than any password is compared as its beginning, which is none.
        let password: String = password.chars().take(MAX_BYTES).collect();
        let is_right = self.beside(move || verify(&password, &kept)).await?;
        Ok(is_right && is_somebody)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_with_the_reason() {
        for (password, why) in [
            ("short", "shorter"),
            ("aaaaaaaaaaaaaaaa", "too few"),
            ("Li.Wei-2026-harbour", "the name"),
            ("citybrain123456", "tries first"),
            ("Password 2026!", "tries first"),
            ("passwordpassword", "tries first"),
            ("123456789012", "tries first"),
        ] {
            let refused = check(password, "liwei").unwrap_err().to_string();
            assert!(refused.contains(why), "{password}: {refused}");
        }
        assert!(check(&"长".repeat(100), "liwei").is_err());
        check("correct horse battery", "liwei").unwrap();
        check("蓝天白云青山绿水小桥流水人家", "liwei").unwrap();
    }

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_with_the_stated_cost_and_known_again() {
        let hasher = Hasher::new().unwrap();
        let kept = hasher.hash("correct horse battery").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(hasher.verify("correct horse battery", Some(&kept)).await.unwrap());
        assert!(!hasher.verify("correct horse batterie", Some(&kept)).await.unwrap());
        assert!(!hasher.verify("correct horse battery", None).await.unwrap());
        assert_ne!(kept, hasher.hash("correct horse battery").await.unwrap(), "salted");
    }
}
