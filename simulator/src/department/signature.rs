//! Signatures after Standard Webhooks: HMAC-SHA-256 over `{id}.{timestamp}.{body}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use citybrain_types::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::time::Duration;

/// How far the sender's clock may be off.
const TOLERANCE: Duration = Duration::from_secs(300);
/// How a secret begins.
const PREFIX: &str = "whsec_";

/// A shared secret. `Debug` does not show it.
#[derive(Clone)]
pub struct WebhookSecret(Vec<u8>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Why a text is not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is 'whsec_' and base64 of 24 to 64 bytes")]
pub struct SecretError;

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The timestamp is not a number of seconds.
    #[error("webhook-timestamp is not a number of seconds")]
    BadTimestamp,
    /// Too old or too new.
    #[error("webhook-timestamp is more than five minutes off")]
    OutOfTime,
    /// None of the signatures fits.
    #[error("no v1 signature in webhook-signature fits")]
    Mismatch,
}

impl std::str::FromStr for WebhookSecret {
    type Err = SecretError;
    fn from_str(text: &str) -> Result<Self, SecretError> {
        let key = text.strip_prefix(PREFIX).and_then(|base64| STANDARD.decode(base64).ok());
        key.filter(|key| (24..=64).contains(&key.len())).map(Self).ok_or(SecretError)
    }
}

impl WebhookSecret {
    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        // HMAC takes a key of any length, so this is always `Some`.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(mac)
    }

    /// The value of `webhook-signature` for a delivery; `timestamp` in seconds since 1970.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mac = self.mac(id, &timestamp.to_string(), body);
        let tag = mac.map(|mac| STANDARD.encode(mac.finalize().into_bytes()));
        format!("v1,{}", tag.unwrap_or_default())
    }

    /// Checks a delivery; several signatures may stand in the header, separated by spaces.
    ///
    /// # Errors
    /// [`SignatureError`] with what does not fit.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let seconds: i64 = timestamp.parse().map_err(|_| SignatureError::BadTimestamp)?;
        let sent = Timestamp::from_millis(seconds.saturating_mul(1_000));
        if now.since(sent).max(sent.since(now)) > TOLERANCE {
            return Err(SignatureError::OutOfTime);
        }
        let fits = |signature: &str| {
            let tag = signature.strip_prefix("v1,").and_then(|base64| STANDARD.decode(base64).ok());
            let mac = self.mac(id, timestamp, body);
            tag.zip(mac).is_some_and(|(tag, mac)| mac.verify_slice(&tag).is_ok())
        };
        if signatures.split(' ').any(fits) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        let secret: WebhookSecret = SECRET.parse().unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn another_body_id_time_or_secret_does_not_fit() {
        let secret: WebhookSecret = SECRET.parse().unwrap();
        let now = Timestamp::from_millis(1_000_000_000);
        let good = format!("v1,AAAA {}", secret.sign("id", 1_000_000, b"body"));
        assert_eq!(secret.verify("id", "1000000", &good, b"body", now), Ok(()));
        let wrong = Err(SignatureError::Mismatch);
        assert_eq!(secret.verify("id", "1000000", &good, b"other", now), wrong);
        assert_eq!(secret.verify("no", "1000000", &good, b"body", now), wrong);
        assert_eq!(secret.verify("id", "1000001", &good, b"body", now), wrong);
        assert_eq!(secret.verify("id", "999000", &good, b"body", now), Err(SignatureError::OutOfTime));
        let other: WebhookSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap();
        assert_eq!(other.verify("id", "1000000", &good, b"body", now), wrong);
        assert!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse::<WebhookSecret>().is_err());
    }
}
