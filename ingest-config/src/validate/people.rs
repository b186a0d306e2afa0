//! Channels that people read: e-mail and group robots.

use url::Url;

use super::Context;
use super::address::{mail_address, web_address};
use super::secret::SecretKeys;
use super::sink::{credentials, taken};
use crate::raw::{RawEmail, RawRobot};
use crate::resolved::{Channel, Secret};
use crate::row::Place;
use crate::suggestion::{did_you_mean, shown};

/// What may stand in a robot's template.
const PLACEHOLDERS: [&str; 9] =
    ["event", "case", "kind", "state", "area", "departments", "deadline", "link", "picture"];

pub(super) fn email(raw: &RawEmail, place: &Place<'_>, context: &mut Context<'_>) -> Option<Channel> {
    let server = raw.server.as_deref().and_then(|url| taken(mail_address(url), place, "server", context));
    let keys = SecretKeys {
        key: "password",
        clear: &raw.password,
        env: &raw.password_env,
        file: &raw.password_file,
    };
    let credentials = credentials(raw.user.as_deref(), &keys, None, place, context);
    let to = raw.to.clone().unwrap_or_default();
    for (index, address) in to.iter().enumerate().filter(|(_, address)| !is_mailbox(address)) {
        let message = format!("'{}' in 'to' of {place} is no e-mail address", shown(address));
        context.problems.report(place.item_at("to", index), place.path_of("to"), message, None);
    }
    let from = raw.from.clone()?;
    if !is_mailbox(&from) {
        place.report(&mut context.problems, "from", format!("is no e-mail address: '{}'", shown(&from)));
    }
    Some(Channel::Email { server: server?, credentials, from, to })
}

/// `name@domain` in plain characters; what a mail server makes of it is the server's business.
fn is_mailbox(text: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"' | '\\' | '@');
    text.len() <= 254
        && text.split_once('@').is_some_and(|(name, domain)| {
            let part = |part: &str| !part.is_empty() && part.chars().all(plain);
            part(name) && part(domain) && !domain.starts_with('.') && !domain.ends_with('.')
        })
}

pub(super) fn robot(raw: &RawRobot, place: &Place<'_>, context: &mut Context<'_>) -> Option<Channel> {
    let keys = SecretKeys { key: "url", clear: &raw.url, env: &raw.url_env, file: &raw.url_file };
    if keys.given().is_empty() && !keys.is_lost(place) && !context.problems.is_torn(place.source().index) {
        let message = format!("{place} has no address");
        let suggestion = "give one of 'url', 'url_env' and 'url_file'".to_owned();
        context.problems.report(place.header(), place.path_of("url"), message, Some(suggestion));
    }
    check_template(&raw.template, place, context);
    let (key, url) = keys.read(place, context)?;
    // The address is the robot's secret: a fault in it is told without showing it.
    let url: Url = taken(web_address(&url), place, &key, context)?;
    Some(Channel::Robot { url: Secret(url.into()), template: raw.template.clone() })
}

fn check_template(template: &str, place: &Place<'_>, context: &mut Context<'_>) {
    let mut filled = template.to_owned();
    for name in PLACEHOLDERS {
        filled = filled.replace(&format!("{{{{{name}}}}}"), "x");
    }
    if let Some((_, rest)) = filled.split_once("{{") {
        let name = rest.split("}}").next().unwrap_or_default();
        let known = || format!("known are {}", PLACEHOLDERS.map(|name| format!("{{{{{name}}}}}")).join(", "));
        let suggestion = did_you_mean(name, PLACEHOLDERS).unwrap_or_else(known);
        let message = format!("holds the unknown placeholder '{{{{{}'", shown(name));
        place.suggest(&mut context.problems, "template", message, Some(suggestion));
    } else if serde_json::from_str::<serde_json::Value>(&filled).is_err() {
        place.report(&mut context.problems, "template", "is not JSON once its placeholders are filled in");
    }
}
