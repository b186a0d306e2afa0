//! Secrets: in clear, in an environment variable or in a file.

use super::Context;
use crate::raw::SecretText;
use crate::row::Place;
use crate::source::read_secret;
use crate::suggestion::shown;

/// The three keys a secret may stand under, and what stands there.
pub(super) struct SecretKeys<'r> {
    /// `password` or `secret`.
    pub key: &'static str,
    pub clear: &'r Option<SecretText>,
    pub env: &'r Option<String>,
    pub file: &'r Option<String>,
}

impl SecretKeys<'_> {
    fn keys(&self) -> [String; 3] {
        [self.key.to_owned(), format!("{}_env", self.key), format!("{}_file", self.key)]
    }

    /// The keys that are given, in the order clear, environment, file.
    pub(super) fn given(&self) -> Vec<String> {
        let is_given = [self.clear.is_some(), self.env.is_some(), self.file.is_some()];
        self.keys().into_iter().zip(is_given).filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }

    /// Whether a value for one of the keys was taken out, which is reported already.
    pub(super) fn is_lost(&self, place: &Place<'_>) -> bool {
        self.keys().iter().any(|key| place.lost(key))
    }

    /// The secret and the key it stands under; `None` when there is none or it cannot be had, the latter reported.
    pub(super) fn read(&self, place: &Place<'_>, context: &mut Context<'_>) -> Option<(String, String)> {
        let given = self.given();
        if let [first, .., last] = given.as_slice() {
            let message = format!("is a second place for the secret of '{first}'");
            place.suggest(&mut context.problems, last, message, Some("keep one of them".to_owned()));
            return None;
        }
        let key = given.into_iter().next()?;
        let secret = match (self.clear, self.env, self.file) {
            (Some(clear), _, _) => Some(clear.0.clone()),
            (_, Some(name), _) => from_environment(place, &key, name, context),
            (_, _, Some(path)) => from_file(place, &key, path, context),
            _ => None,
        }?;
        if secret.is_empty() {
            place.report(&mut context.problems, &key, "gives an empty secret");
            return None;
        }
        // The file's text says where a secret is, not what it is.
        context.mix(secret.as_bytes());
        Some((key, secret))
    }
}

fn from_environment(place: &Place<'_>, key: &str, name: &str, context: &mut Context<'_>) -> Option<String> {
    let value = (context.environment)(name);
    if value.is_none() {
        let message = format!("names the environment variable {}, which is not set", shown(name));
        place.report(&mut context.problems, key, message);
    }
    value
}

fn from_file(place: &Place<'_>, key: &str, path: &str, context: &mut Context<'_>) -> Option<String> {
    match read_secret(&place.source().folder().join(path)) {
        Ok(secret) => Some(secret),
        Err(reason) => {
            let message = format!("names the file {}, which {reason}", shown(path));
            place.report(&mut context.problems, key, message);
            None
        }
    }
}
