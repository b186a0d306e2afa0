//! `[people]` → [`PeopleRules`].

use std::net::IpAddr;
use std::time::Duration;

use super::{Context, oidc};
use crate::raw::{RawBlur, RawPasswords, RawPeople, RawSignIn};
use crate::resolved::{Blur, Passwords, PeopleRules, SignIn, Site};
use crate::row::Row;
use crate::suggestion::shown;

pub(super) fn people(
    row: &Row<'_, RawPeople>,
    site: Option<&Site>,
    context: &mut Context<'_>,
) -> PeopleRules {
    let Row { raw, place } = row;
    let seconds = |unit: f64, count: f64| Duration::from_secs_f64(unit * count);
    let provider = raw.oidc.as_ref();
    let rules = PeopleRules {
        sign_in: match raw.sign_in {
            RawSignIn::Required => SignIn::Required,
            RawSignIn::Open => SignIn::Open,
        },
        passwords: match raw.passwords {
            RawPasswords::Everyone => Passwords::Everyone,
            RawPasswords::Admins => Passwords::Admins,
        },
        session_idle: seconds(60.0, raw.session_idle_minutes),
        session_max: seconds(3_600.0, raw.session_max_hours),
        proxies: proxies(row, context),
        blur: match raw.blur {
            RawBlur::Off => Blur::Off,
            RawBlur::FacesAndPlates => Blur::FacesAndPlates,
        },
        picture_links: seconds(86_400.0, raw.picture_link_days),
        oidc: provider.and_then(|raw| oidc::oidc(raw, &place.inner("oidc"), context)),
    };
    if rules.passwords == Passwords::Admins && provider.is_none() && !place.lost("oidc") {
        let message = "cannot be 'admins' without [people.oidc]: nobody else could come in";
        let suggestion = Some("leave it out, or name a provider in [people.oidc]".to_owned());
        place.suggest(&mut context.problems, "passwords", message, suggestion);
    }
    if rules.sign_in == SignIn::Open
        && let Some(listen) = site.map(|site| site.listen).filter(|listen| !listen.ip().is_loopback())
    {
        let message =
            format!("cannot be 'open' while 'listen' in [site] is {listen}, which others can reach");
        let suggestion = Some("leave it out, or listen on 127.0.0.1".to_owned());
        place.suggest(&mut context.problems, "sign_in", message, suggestion);
    }
    rules
}

fn proxies(row: &Row<'_, RawPeople>, context: &mut Context<'_>) -> Vec<IpAddr> {
    let Row { raw, place } = row;
    let mut proxies = Vec::with_capacity(raw.proxies.len());
    for (index, text) in raw.proxies.iter().enumerate() {
        match text.parse::<IpAddr>() {
            Ok(address) => proxies.push(address),
            Err(_) => {
                let message = format!("'{}' in 'proxies' of {place} is no IP address", shown(text));
                context.problems.report(
                    place.item_at("proxies", index),
                    place.path_of("proxies"),
                    message,
                    None,
                );
            }
        }
    }
    proxies
}
