//! Delivery by e-mail: a few lines for people, with the link to the case.
//!
//! The `Message-ID` is made of the idempotency key, so that a mail program shows a message that was sent twice once.

use super::{Failure, FailureReason};
use crate::envelope::Envelope;
use crate::store::OutboxRow;
use citybrain_ingest_config::resolved::Credentials;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials as SmtpCredentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::fmt::Write as _;
use std::time::Duration;
use url::Url;

/// A mail server and whom it writes to.
pub(super) struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    timeout: Duration,
}

impl Email {
    pub(super) fn new(
        server: &Url,
        credentials: Option<&Credentials>,
        from: &str,
        to: &[String],
        timeout: Duration,
    ) -> Result<Self, String> {
        let host = server.host_str().ok_or("the mail server has no host")?;
        let tls = if server.query() == Some("tls=none") {
            Tls::None
        } else {
            let parameters =
                TlsParameters::new(host.to_owned()).map_err(|e| format!("no TLS is possible: {e}"))?;
            if server.scheme() == "smtps" { Tls::Wrapper(parameters) } else { Tls::Required(parameters) }
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(bare)
            .port(server.port().unwrap_or(587))
            .tls(tls)
            .timeout(Some(timeout));
        if let Some(Credentials { user, password }) = credentials {
            builder = builder.credentials(SmtpCredentials::new(user.clone(), password.clone()));
        }
        let mailbox = |address: &str| {
            let address =
                address.parse::<Address>().map_err(|e| format!("'{address}' is no address: {e}"))?;
            Ok::<_, String>(Mailbox::new(None, address))
        };
        let to = to.iter().map(|address| mailbox(address)).collect::<Result<_, _>>()?;
        Ok(Self { transport: builder.build(), from: mailbox(from)?, to, timeout })
    }

    /// One attempt: taken by the mail server.
    pub(super) async fn send(&self, row: &OutboxRow) -> Result<(), Failure> {
        let message = self.message(row)?;
        match tokio::time::timeout(self.timeout, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::new(FailureReason::Timeout, "the mail server did not take it in time")),
        }
    }

    fn message(&self, row: &OutboxRow) -> Result<Message, Failure> {
        let broken = |what: String| Failure::new(FailureReason::Misconfigured, what);
        let envelope: Envelope = serde_json::from_str(&row.body)
            .map_err(|error| broken(format!("the stored message is damaged: {error}")))?;
        let case = &envelope.data.case;
        let place = case.work.area.as_deref().unwrap_or("the city");
        let subject = format!("{}: {} in {place} ({})", row.event.title(), case.kind, case.state);
        // A subject is one line, whatever an area is called.
        let subject: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let domain = self.from.email.domain();
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .message_id(Some(format!("<{}@{domain}>", row.delivery.key)))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(to.clone());
        }
        message.body(text(row, &envelope)).map_err(|error| broken(format!("no message can be made: {error}")))
    }
}

fn text(row: &OutboxRow, envelope: &Envelope) -> String {
    let case = &envelope.data.case;
    let mut text = format!("{}\n\n", row.event.title());
    let departments = case.departments.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    for (name, value) in [
        ("Case", case.id.to_string()),
        ("Kind", case.kind.to_string()),
        ("State", case.state.to_string()),
        ("Place", case.work.area.clone().unwrap_or_else(|| "–".to_owned())),
        ("Camera", case.camera.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string)),
        ("Since", case.first_seen_at.to_string()),
        ("To be handled by", case.deadline_at.map_or_else(|| "–".to_owned(), |at| at.to_string())),
        ("Departments", departments),
    ] {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    let _ = writeln!(text, "\n{}", envelope.data.links.case);
    let links = &envelope.data.links;
    let seen = [("Picture", &links.snapshot_at), ("Before", &links.snapshot_before)];
    let seen = seen.into_iter().filter_map(|(name, link)| Some((name, link.as_ref()?)));
    for (name, picture) in seen.chain(links.photos.iter().map(|photo| ("Photo", photo))) {
        let _ = writeln!(text, "{name}: {picture}");
    }
    text
}

fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    let reason = if error.is_timeout() {
        FailureReason::Timeout
    } else if error.is_permanent() {
        FailureReason::ClientError
    } else if error.is_transient() {
        FailureReason::ServerError
    } else if error.is_client() {
        FailureReason::Misconfigured
    } else {
        FailureReason::Unreachable
    };
    let detail: String =
        error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    Failure::new(reason, detail)
}
