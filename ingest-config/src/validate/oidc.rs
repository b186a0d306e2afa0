//! `[people.oidc]` → [`Oidc`].

use std::collections::BTreeMap;

use url::Host;

use super::Context;
use super::address::web_address;
use super::secret::SecretKeys;
use super::sink::taken;
use crate::raw::{RawDefaultRole, RawOidc};
use crate::resolved::{Oidc, Rank, Secret};
use crate::row::Place;
use crate::suggestion::shown;

pub(super) fn oidc(raw: &RawOidc, place: &Place<'_>, context: &mut Context<'_>) -> Option<Oidc> {
    let issuer = raw.issuer.as_deref().and_then(|text| issuer(text, place, context));
    let redirect_base = raw
        .redirect_base
        .as_deref()
        .and_then(|text| taken(web_address(text), place, "redirect_base", context));
    let keys = SecretKeys {
        key: "client_secret",
        clear: &raw.client_secret,
        env: &raw.client_secret_env,
        file: &raw.client_secret_file,
    };
    let is_wanted = !keys.given().is_empty() || keys.is_lost(place);
    let client_secret = keys.read(place, context).map(|(_, secret)| Secret(secret));
    for (index, scope) in raw.scopes.iter().enumerate() {
        // RFC 6749, section 3.3.
        if !scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
            let message = format!("'{}' in 'scopes' of {place} is no scope", shown(scope));
            let suggestion = Some("write each as a text of its own, without spaces".to_owned());
            context.problems.report(
                place.item_at("scopes", index),
                place.path_of("scopes"),
                message,
                suggestion,
            );
        }
    }
    let ranks = ranks(raw, place, context);
    if ranks.is_empty() && raw.default_role.is_none() && !place.is_damaged() {
        let message = format!("{place} gives nobody a role");
        let suggestion = "fill 'admins', 'supervisors', 'operators' or 'viewers', or give 'default_role'";
        context.problems.report(
            place.header(),
            place.path_of("default_role"),
            message,
            Some(suggestion.to_owned()),
        );
    }
    if is_wanted && client_secret.is_none() {
        return None;
    }
    Some(Oidc {
        issuer: issuer?,
        client_id: raw.client_id.clone()?,
        client_secret,
        scopes: raw.scopes.clone(),
        redirect_base,
        name_claim: raw.name_claim.clone(),
        role_claim: raw.role_claim.clone(),
        ranks,
        default: raw.default_role.map(|role| match role {
            RawDefaultRole::Viewer => Rank::Viewer,
            RawDefaultRole::Operator => Rank::Operator,
        }),
        link_by_name: raw.link_by_name,
        label: raw.label.clone(),
    })
}

/// An `https` address, or an `http` one of this machine, kept as it is written: the provider's tokens repeat it to the
/// letter.
fn issuer(text: &str, place: &Place<'_>, context: &mut Context<'_>) -> Option<String> {
    let url = taken(web_address(text), place, "issuer", context)?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !is_here {
        let message = "is reached without TLS: whoever sits between could sign in as anybody";
        let suggestion = Some("begin it with https://; http:// is for this machine only".to_owned());
        place.suggest(&mut context.problems, "issuer", message, suggestion);
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        place.report(&mut context.problems, "issuer", "holds a query or a fragment");
        return None;
    }
    Some(text.to_owned())
}

/// The rank of each value; one that stands in two lists is a mistake.
fn ranks(raw: &RawOidc, place: &Place<'_>, context: &mut Context<'_>) -> BTreeMap<String, Rank> {
    let lists = [
        ("admins", Rank::Admin, &raw.admins),
        ("supervisors", Rank::Supervisor, &raw.supervisors),
        ("operators", Rank::Operator, &raw.operators),
        ("viewers", Rank::Viewer, &raw.viewers),
    ];
    let mut ranks = BTreeMap::new();
    for (key, rank, values) in lists {
        for (index, value) in values.iter().enumerate() {
            if ranks.insert(value.clone(), rank).is_some() {
                let message = format!(
                    "'{}' in '{key}' of {place} stands there or in a list above already",
                    shown(value)
                );
                context.problems.report(place.item_at(key, index), place.path_of(key), message, None);
            }
        }
    }
    ranks
}
