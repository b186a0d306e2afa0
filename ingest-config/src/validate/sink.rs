//! `[[sinks]]` → [`Destination`].

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use citybrain_types::DestinationId;

use super::address::{AddressFault, broker_address, web_address};
use super::secret::SecretKeys;
use super::{Context, id_fault, people};
use crate::names::Names;
use crate::raw::{RawFormat, RawMqtt, RawSink, RawWebhook};
use crate::resolved::{BodyFormat, Channel, Credentials, Destination, Secret};
use crate::row::{Place, Row};
use crate::suggestion::{did_you_mean, shown};

/// What may stand in a topic.
const PLACEHOLDERS: [&str; 3] = ["kind", "camera", "department"];

pub(super) fn sinks<'d>(
    rows: &[Row<'d, RawSink>],
    context: &mut Context<'_>,
) -> (BTreeMap<DestinationId, Destination>, Names<'d>) {
    let mut names = Names::new("destination", &context.problems);
    let mut destinations = BTreeMap::new();
    let mut seconds = Vec::new();
    for Row { raw, place } in rows {
        let channel = channel(raw, place, context);
        let Some(id) = names.declare(place, "id", raw.id.as_deref(), &mut context.problems) else { continue };
        let id = match DestinationId::new(id) {
            Ok(id) => id,
            Err(error) => {
                place.report(&mut context.problems, "id", id_fault(&error));
                continue;
            }
        };
        let Some(channel) = channel else { continue };
        let timeout = Duration::from_millis(raw.timeout_ms);
        let waits = |secs: &[f64]| secs.iter().map(|secs| Duration::from_secs_f64(*secs)).collect();
        let destination = Destination {
            id: id.clone(),
            channel,
            timeout,
            urgent_retry_after: waits(&raw.urgent_retry_after_secs),
            retry_after: waits(&raw.retry_after_secs),
            second: None,
        };
        destinations.insert(id.clone(), destination);
        seconds.extend(raw.second.as_deref().map(|second| (id, second, place)));
    }
    for (id, second, place) in seconds {
        if second == id.as_str() {
            place.report(&mut context.problems, "second", "names the destination itself");
        } else if names.refer(place, "second", (0, second), &mut context.problems)
            && let Some(destination) = destinations.get_mut(&id)
        {
            destination.second = DestinationId::new(second).ok();
        }
    }
    (destinations, names)
}

/// How often what waits is told again, for the destinations that say so.
pub(super) fn repeats(rows: &[Row<'_, RawSink>]) -> BTreeMap<DestinationId, Duration> {
    let own = |row: &Row<'_, RawSink>| {
        let minutes = row.raw.repeat_after_minutes?;
        Some((DestinationId::new(row.raw.id.as_deref()?).ok()?, Duration::from_secs_f64(minutes * 60.0)))
    };
    rows.iter().filter_map(own).collect()
}

fn channel(raw: &RawSink, place: &Place<'_>, context: &mut Context<'_>) -> Option<Channel> {
    let given = [
        ("webhook", raw.webhook.is_some()),
        ("mqtt", raw.mqtt.is_some()),
        ("email", raw.email.is_some()),
        ("robot", raw.robot.is_some()),
    ];
    let mut given = given.into_iter().filter(|(_, is_given)| *is_given).map(|(key, _)| key);
    let first = given.next();
    if let (Some(first), Some(other)) = (first, given.next()) {
        let suggestion = Some("give each a destination of its own".to_owned());
        place.suggest(&mut context.problems, other, format!("stands beside '{first}'"), suggestion);
        return None;
    }
    match raw {
        RawSink { webhook: Some(raw), .. } => webhook(raw, &place.inner("webhook"), context),
        RawSink { mqtt: Some(raw), .. } => mqtt(raw, &place.inner("mqtt"), context),
        RawSink { email: Some(raw), .. } => people::email(raw, &place.inner("email"), context),
        RawSink { robot: Some(raw), .. } => people::robot(raw, &place.inner("robot"), context),
        _ => {
            let is_known = ["webhook", "mqtt", "email", "robot"].iter().any(|key| place.lost(key));
            if !is_known && !context.problems.is_torn(place.source().index) {
                let message = format!("{place} has none of 'webhook', 'mqtt', 'email' and 'robot'");
                let suggestion = Some("add one of them".to_owned());
                context.problems.report(place.header(), place.path_of("webhook"), message, suggestion);
            }
            None
        }
    }
}

fn webhook(raw: &RawWebhook, place: &Place<'_>, context: &mut Context<'_>) -> Option<Channel> {
    let url = raw.url.as_deref().and_then(|url| taken(web_address(url), place, "url", context));
    let keys = SecretKeys { key: "secret", clear: &raw.secret, env: &raw.secret_env, file: &raw.secret_file };
    let is_silent = keys.is_lost(place) || context.problems.is_torn(place.source().index);
    if keys.given().is_empty() && !is_silent {
        let message = format!("{place} has no signing secret");
        let suggestion = "give one of 'secret', 'secret_env' and 'secret_file'".to_owned();
        context.problems.report(place.header(), place.path_of("secret"), message, Some(suggestion));
    }
    let (key, secret) = keys.read(place, context)?;
    if let Err(fault) = check_signing_secret(&secret) {
        let suggestion = "make one: echo whsec_$(openssl rand -base64 32)".to_owned();
        place.suggest(&mut context.problems, &key, fault, Some(suggestion));
        return None;
    }
    let old_keys = SecretKeys {
        key: "old_secret",
        clear: &raw.old_secret,
        env: &raw.old_secret_env,
        file: &raw.old_secret_file,
    };
    let old_secret = old_keys.read(place, context);
    if let Some((key, old)) = &old_secret
        && let Err(fault) = check_signing_secret(old)
    {
        place.report(&mut context.problems, key, fault);
    }
    let format = match raw.format {
        RawFormat::Cloudevents => BodyFormat::CloudEvents,
        RawFormat::Cap => BodyFormat::Cap,
    };
    let old_secret = old_secret.map(|(_, old)| Secret(old));
    Some(Channel::Webhook { url: url?, secret: Secret(secret), old_secret, format })
}

/// Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes.
fn check_signing_secret(secret: &str) -> Result<(), String> {
    let Some(encoded) = secret.strip_prefix("whsec_") else {
        return Err("gives a secret that does not begin with 'whsec_'".to_owned());
    };
    match STANDARD.decode(encoded) {
        Ok(bytes) if (24..=64).contains(&bytes.len()) => Ok(()),
        Ok(bytes) => Err(format!("gives a secret of {} bytes; 24 to 64 are needed", bytes.len())),
        Err(_) => Err("gives a secret that is not base64 after 'whsec_'".to_owned()),
    }
}

fn mqtt(raw: &RawMqtt, place: &Place<'_>, context: &mut Context<'_>) -> Option<Channel> {
    let broker = raw.broker.as_deref().and_then(|url| taken(broker_address(url), place, "broker", context));
    check_topic("topic", &raw.topic, place, context);
    if let Some(topic) = &raw.response_topic {
        check_topic("response_topic", topic, place, context);
    }
    let keys = SecretKeys {
        key: "password",
        clear: &raw.password,
        env: &raw.password_env,
        file: &raw.password_file,
    };
    let in_address = broker.as_ref().and_then(|address| address.credentials.clone());
    let credentials = credentials(raw.user.as_deref(), &keys, in_address, place, context);
    Some(Channel::Mqtt {
        broker: broker?.url,
        credentials,
        topic: raw.topic.clone(),
        response_topic: raw.response_topic.clone(),
    })
}

pub(super) fn taken<T>(
    address: Result<T, AddressFault>,
    place: &Place<'_>,
    key: &str,
    context: &mut Context<'_>,
) -> Option<T> {
    match address {
        Ok(address) => Some(address),
        Err(fault) => {
            place.suggest(&mut context.problems, key, &fault.message, fault.suggestion);
            None
        }
    }
}

/// User name and password from their keys, or from the address; not from both.
pub(super) fn credentials(
    user: Option<&str>,
    keys: &SecretKeys<'_>,
    in_address: Option<Credentials>,
    place: &Place<'_>,
    context: &mut Context<'_>,
) -> Option<Credentials> {
    let password = keys.read(place, context).map(|(_, password)| password);
    let given = keys.given();
    match (user, given.first(), in_address) {
        (None, None, in_address) => in_address,
        (user, first, Some(_)) => {
            let key = if user.is_some() { "user" } else { first.map_or("user", String::as_str) };
            let suggestion = Some("keep one of them".to_owned());
            place.suggest(&mut context.problems, key, "stands beside a user name in the address", suggestion);
            None
        }
        (None, Some(first), None) => {
            if !place.lost("user") && !context.problems.is_torn(place.source().index) {
                place.suggest(
                    &mut context.problems,
                    first,
                    "has no user name",
                    Some("add 'user'".to_owned()),
                );
            }
            None
        }
        // A camera may want a user name alone.
        (Some(user), _, None) => {
            Some(Credentials { user: user.to_owned(), password: password.unwrap_or_default() })
        }
    }
}

fn check_topic(key: &str, topic: &str, place: &Place<'_>, context: &mut Context<'_>) {
    let mut complain = |message: String, suggestion: Option<String>| {
        place.suggest(&mut context.problems, key, message, suggestion);
    };
    if let Some(bad) = topic.chars().find(|c| matches!(c, '+' | '#') || c.is_control()) {
        return complain(format!("holds '{}', which a topic to publish to cannot", bad.escape_debug()), None);
    }
    if topic.starts_with('$') {
        return complain("begins with '$', which brokers keep for themselves".to_owned(), None);
    }
    for part in topic.split('{').skip(1) {
        let (name, is_closed) = part.split_once('}').map_or((part, false), |(name, _)| (name, true));
        if is_closed && PLACEHOLDERS.contains(&name) {
            continue;
        }
        let known = "known are {kind}, {camera} and {department}".to_owned();
        let suggestion = did_you_mean(name, PLACEHOLDERS).unwrap_or(known);
        return complain(format!("holds the unknown placeholder '{{{}'", shown(name)), Some(suggestion));
    }
}
