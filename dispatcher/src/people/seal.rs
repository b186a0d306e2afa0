//! What this program signs to know it again: rounds to a provider, addresses of pictures.

use super::secret::{hex, same, secret};
use super::{People, PeopleError};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::Arc;

/// Name of the key in the store, which every process of the city shares.
const KEY: &str = "seal";

/// A key of 256 random bits.
#[derive(Clone)]
pub struct Seal(Arc<str>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    /// By a key, for instance the one that the store keeps.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(key.into())
    }

    /// HMAC-SHA256 over a purpose and a text, as 64 hexadecimal digits. What is sealed for one purpose is good for no
    /// other.
    #[must_use]
    pub fn mark(&self, purpose: &str, text: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.update(b"\n");
        mac.update(text.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// Whether that is the mark.
    #[must_use]
    pub fn fits(&self, purpose: &str, text: &str, mark: &str) -> bool {
        same(&self.mark(purpose, text), mark)
    }
}

impl People {
    /// The seal that the store keeps; made where there is none.
    ///
    /// # Errors
    /// [`PeopleError`] when the store does not answer, or there are no random bytes.
    pub(crate) async fn seal(&self) -> Result<Seal, PeopleError> {
        let made = self.0.seal.get_or_try_init(|| async {
            let key = self.0.store.signing_key(KEY, &secret()?, self.now()).await?;
            Ok::<_, PeopleError>(Seal::of(&key))
        });
        Ok(made.await?.clone())
    }
}
