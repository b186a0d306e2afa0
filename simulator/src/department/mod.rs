//! Scripted departments: they take cases over webhook and MQTT, write down what they got, and fail when told to.

mod line;
mod mqtt;
mod signature;
mod webhook;

pub use mqtt::{MqttDepartment, MqttError};
pub use signature::{SecretError, SignatureError, WebhookSecret};
pub use webhook::{Behaviour, Failure, WebhookDepartment};

use citybrain_types::{CameraId, CaseId, CaseState, EventKind, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a delivery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By HTTP POST.
    Webhook,
    /// By MQTT.
    Mqtt,
}

/// One delivery, written down once however often it came. What its body does not say is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Received {
    /// Its idempotency key.
    pub key: String,
    /// The case that it tells of.
    pub case_id: Option<CaseId>,
    /// CloudEvents type, for instance `citybrain.case.opened`.
    pub event: Option<String>,
    /// Kind of event of the case.
    pub kind: Option<EventKind>,
    /// The camera that saw it.
    pub camera: Option<CameraId>,
    /// Where the case stood.
    pub state: Option<CaseState>,
    /// Version of the case.
    pub version: Option<u32>,
    /// When it first came.
    pub at: Timestamp,
    /// How it came.
    pub via: Via,
    /// How often it came with this key.
    pub copies: u32,
    /// The body as it first came.
    pub body: Value,
}

/// What became of one attempt to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Taken for the first time.
    Accepted,
    /// Taken again, its key was known.
    Duplicate,
    /// The signature is wrong or missing.
    BadSignature,
    /// No key, or a body that is not JSON.
    BadBody,
    /// The desk was told to fail.
    Scripted,
    /// The desk's book is full.
    Full,
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Its idempotency key, where it had one.
    pub key: Option<String>,
    /// When.
    pub at: Timestamp,
    /// How.
    pub via: Via,
    /// What became of it.
    pub outcome: Outcome,
}

/// Deliveries and attempts that a desk writes down; a street makes a few hundred in a day.
const MAX_WRITTEN: usize = 100_000;

/// What a department has written down; clones share the book.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    received: Vec<Received>,
    attempts: Vec<Attempt>,
}

impl Desk {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.book().received.clone()
    }

    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.book().attempts.clone()
    }

    /// Writes down an attempt that was not taken.
    pub(crate) fn note(&self, key: Option<&str>, at: Timestamp, via: Via, outcome: Outcome) {
        let mut book = self.book();
        if book.attempts.len() < MAX_WRITTEN {
            book.attempts.push(Attempt { key: key.map(str::to_owned), at, via, outcome });
        }
    }

    /// Takes a delivery: once by key.
    pub(crate) fn take(&self, key: Option<&str>, body: &[u8], at: Timestamp, via: Via) -> Outcome {
        let outcome = self.write(key, body, at, via);
        self.note(key, at, via, outcome);
        outcome
    }

    fn write(&self, key: Option<&str>, body: &[u8], at: Timestamp, via: Via) -> Outcome {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Outcome::BadBody };
        let Some(key) = key.or_else(|| body["id"].as_str()).filter(|key| !key.is_empty()) else {
            return Outcome::BadBody;
        };
        let mut book = self.book();
        if let Some(known) = book.received.iter_mut().find(|known| known.key == key) {
            known.copies = known.copies.saturating_add(1);
            return Outcome::Duplicate;
        }
        if book.received.len() >= MAX_WRITTEN {
            return Outcome::Full;
        }
        book.received.push(read(key.to_owned(), body, at, via));
        Outcome::Accepted
    }
}

/// Reads a CloudEvents envelope with a case in it, as far as it goes.
fn read(key: String, body: Value, at: Timestamp, via: Via) -> Received {
    let case = &body["data"]["case"];
    let case_id = case["id"].as_str().or_else(|| body["subject"].as_str());
    Received {
        key,
        case_id: case_id.and_then(|id| CaseId::new(id).ok()),
        event: body["type"].as_str().map(str::to_owned),
        kind: case["kind"].as_str().map(EventKind::new),
        camera: case["camera"].as_str().and_then(|id| CameraId::new(id).ok()),
        state: case["state"].as_str().and_then(CaseState::from_name),
        version: case["version"].as_u64().and_then(|version| u32::try_from(version).ok()),
        at,
        via,
        copies: 1,
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_delivery_is_written_down_once_by_key_with_what_its_case_says() {
        let desk = Desk::default();
        let body = json!({
            "specversion": "1.0", "id": "k1", "type": "citybrain.case.opened", "subject": "case-1",
            "data": { "case": { "id": "case-1", "kind": "fire", "camera": "market-1", "state": "filed", "version": 2 } }
        });
        let bytes = body.to_string();
        let at = Timestamp::from_millis(5);
        assert_eq!(desk.take(Some("k1"), bytes.as_bytes(), at, Via::Mqtt), Outcome::Accepted);
        assert_eq!(desk.take(None, bytes.as_bytes(), at, Via::Mqtt), Outcome::Duplicate);
        let received = desk.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].copies, 2);
        assert_eq!(received[0].kind, Some(EventKind::new("fire")));
        assert_eq!(received[0].state, Some(CaseState::Filed));
        assert_eq!(received[0].camera.as_ref().unwrap().as_str(), "market-1");
        assert_eq!(desk.attempts().len(), 2);
    }

    #[test]
    fn what_is_not_json_or_has_no_key_is_not_taken() {
        let desk = Desk::default();
        assert_eq!(desk.take(Some("k"), b"not json", Timestamp::EPOCH, Via::Mqtt), Outcome::BadBody);
        assert_eq!(desk.take(None, b"{}", Timestamp::EPOCH, Via::Mqtt), Outcome::BadBody);
        assert!(desk.received().is_empty());
    }
}
