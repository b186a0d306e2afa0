//! Delivery to a robot in a group chat: a template, filled in and posted.
//!
//! WeCom and DingTalk answer 200 to what they refuse, with a number in `errcode`: only 0 is an acknowledgement.

use super::webhook::{client, not_sent, not_taken};
use super::{Failure, FailureReason};
use crate::envelope::Envelope;
use crate::store::OutboxRow;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Longest answer read; theirs are a line.
const MAX_ANSWER_BYTES: usize = 4_096;

/// A robot.
#[derive(Debug)]
pub(super) struct Robot {
    client: Client,
    url: SecretUrl,
    template: String,
}

/// Who knows the address may write to the group: `Debug` does not show it.
struct SecretUrl(Url);

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretUrl(…)")
    }
}

impl Robot {
    pub(super) fn new(url: &str, template: &str, timeout: Duration) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|_| "the robot's address is none")?;
        Ok(Self { client: client(timeout)?, url: SecretUrl(url), template: template.to_owned() })
    }

    /// One attempt.
    pub(super) async fn send(&self, row: &OutboxRow) -> Result<(), Failure> {
        let body = filled(&self.template, row)?;
        let request =
            self.client.post(self.url.0.clone()).header(CONTENT_TYPE, "application/json").body(body);
        let mut response = request.send().await.map_err(not_sent)?;
        if !response.status().is_success() {
            return Err(not_taken(response).await);
        }
        let mut answer = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                break;
            }
            answer.extend_from_slice(&chunk);
        }
        let code =
            serde_json::from_slice::<Value>(&answer).ok().and_then(|answer| answer.get("errcode")?.as_i64());
        match code {
            None | Some(0) => Ok(()),
            Some(code) => {
                Err(Failure::new(FailureReason::ClientError, format!("the robot answered errcode {code}")))
            }
        }
    }
}

/// The template with what the row tells, escaped for the inside of a JSON text.
fn filled(template: &str, row: &OutboxRow) -> Result<String, Failure> {
    let envelope: Envelope = serde_json::from_str(&row.body).map_err(|error| {
        Failure::new(FailureReason::Misconfigured, format!("the stored message is damaged: {error}"))
    })?;
    let case = &envelope.data.case;
    let departments = case.departments.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    let mut text = template.to_owned();
    for (name, value) in [
        ("event", row.event.title().to_owned()),
        ("case", case.id.to_string()),
        ("kind", case.kind.to_string()),
        ("state", case.state.name().to_owned()),
        ("area", case.work.area.clone().unwrap_or_default()),
        ("departments", departments),
        ("deadline", case.deadline_at.map_or_else(|| "–".to_owned(), |at| at.to_string())),
        ("link", envelope.data.links.case.to_string()),
        ("picture", envelope.data.links.picture().map(ToString::to_string).unwrap_or_default()),
    ] {
        // A text of ours that looks like a placeholder must not become one.
        let value = Value::String(value.replace("{{", "{ {")).to_string();
        text = text.replace(&format!("{{{{{name}}}}}"), value.trim_matches('"'));
    }
    Ok(text)
}
