//! What `[dispatch]` and the environment say of the log → its settings.

use super::Context;
use crate::raw::RawDispatch;
use crate::resolved::{LogSettings, Secret};
use crate::row::Row;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What an address may begin with.
const SCHEMES: [&str; 2] = ["s3", "file"];
/// What is taken from the environment for a store that speaks S3; the bucket stands in the address and nowhere else.
const S3: [&str; 16] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ALLOW_HTTP",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];
/// Any of these says where keys are to be had, where they are not given themselves.
const KEYS_FROM: [&str; 5] = [
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];

pub(super) fn log(row: &Row<'_, RawDispatch>, context: &mut Context<'_>) -> LogSettings {
    let url = row.raw.log_url.as_deref().and_then(|address| match address.parse::<Url>() {
        Ok(url) if is_place(&url) => Some(url),
        _ => {
            // What stands in it may be a key: it is not shown.
            let message =
                "is no place for the log: s3://bucket/folder or file:///folder, and keys in the environment";
            row.place.report(&mut context.problems, "log_url", message);
            None
        }
    });
    let s3 = match &url {
        Some(url) if url.scheme() == "s3" => s3(row, context),
        _ => BTreeMap::new(),
    };
    LogSettings { retention: row.raw.log_retention_days.map(|days| DAY * days), url, s3 }
}

/// A folder, or a bucket and a folder in it; keys have no place in an address that is shown.
fn is_place(url: &Url) -> bool {
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let has_bucket = url.scheme() != "s3" || url.host_str().is_some_and(|bucket| !bucket.is_empty());
    SCHEMES.contains(&url.scheme()) && plain && has_bucket
}

fn s3(row: &Row<'_, RawDispatch>, context: &mut Context<'_>) -> BTreeMap<&'static str, Secret> {
    let mut found = BTreeMap::new();
    for name in S3 {
        if let Some(value) = (context.environment)(name).filter(|value| !value.is_empty()) {
            context.mix(value.as_bytes());
            found.insert(name, Secret(value));
        }
    }
    let has = |name: &&str| found.contains_key(*name);
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let missing: Vec<&str> = keys.into_iter().filter(|name| !has(name)).collect();
    // One key without the other is a mistake; neither, and nothing to get them from, would ask the machine's cloud.
    if missing.len() == 1 || missing.len() == 2 && !KEYS_FROM.iter().any(has) {
        let message = format!("needs {} in the environment, which is not set", missing.join(" and "));
        row.place.report(&mut context.problems, "log_url", message);
    }
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let endpoint = endpoint.into_iter().find_map(|name| Some((name, &found.get(name)?.0)));
    let in_clear = found.get("AWS_ALLOW_HTTP").is_some_and(|said| said.0 == "true" || said.0 == "1");
    if let Some((name, address)) = endpoint {
        let message = match address.parse::<Url>().as_ref().map(Url::scheme) {
            Ok("https") => None,
            Ok("http") if in_clear => None,
            Ok("http") => Some("is http: set AWS_ALLOW_HTTP=true to send the log in clear"),
            _ => Some("is no http or https address"),
        };
        if let Some(message) = message {
            let message = format!("is kept by a store at {name}, which {message}");
            row.place.report(&mut context.problems, "log_url", message);
        }
    }
    found
}
