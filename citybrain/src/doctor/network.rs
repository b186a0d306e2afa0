//! What can be reached from here.

use super::Finding;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Channel, Oidc};
use futures::{StreamExt, stream};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

/// Longest wait for one connection.
const PATIENCE: Duration = Duration::from_secs(3);
/// Connections tried at once.
const AT_ONCE: usize = 64;
/// Cameras that are named one by one; the rest is counted.
const NAMED: usize = 10;

/// Whether the console can listen.
pub(super) fn listener(address: SocketAddr) -> Finding {
    match std::net::TcpListener::bind(address) {
        Ok(_) if !address.ip().is_loopback() => Finding::warning(
            "console",
            format!("{address} is free, and open to others"),
            "put a proxy with authentication in front, or listen on 127.0.0.1",
        ),
        Ok(_) => Finding::ok("console", format!("{address} is free")),
        Err(error) => {
            Finding::warning("console", format!("{address}: {error}"), "fine if that is a running citybrain")
        }
    }
}

/// Tries every camera and every destination.
pub(super) async fn reach(city: &City) -> Vec<Finding> {
    let destinations = city.destinations.values().filter_map(|destination| {
        let url = match &destination.channel {
            Channel::Webhook { url, .. } => url.clone(),
            Channel::Mqtt { broker, .. } => broker.clone(),
            Channel::Email { server, .. } => server.clone(),
            Channel::Robot { url, .. } => Url::parse(&url.0).ok()?,
        };
        Some((destination.id.to_string(), url))
    });
    let destinations =
        stream::iter(destinations.map(|(id, url)| async move { (id, try_address(&url).await) }));
    let mut findings: Vec<Finding> = destinations
        .buffered(AT_ONCE)
        .map(|(id, tried)| match tried {
            Ok(peer) => Finding::ok(format!("destination {id}"), format!("{peer} takes connections")),
            Err(why) => Finding::failure(
                format!("destination {id}"),
                why,
                "deliveries will wait in the outbox until it answers",
            ),
        })
        .collect()
        .await;
    findings.extend(cameras(city).await);
    if let Some(oidc) = &city.people.oidc {
        findings.push(provider(city, oidc).await);
    }
    findings
}

/// Whether the provider that people sign in by says what it has to say of itself.
async fn provider(city: &City, oidc: &Oidc) -> Finding {
    let back = oidc.comes_back_to(&city.site.public_url);
    match citybrain_dispatcher::people::oidc::probe(oidc).await {
        Ok(found) => {
            Finding::ok("sign-in provider", format!("{} {found}; browsers come back to {back}", oidc.issuer))
        }
        Err(why) => Finding::failure(
            "sign-in provider",
            format!("{}: {why}", oidc.issuer),
            "compare 'issuer' in [people.oidc] with the provider's own; until it answers, sign in with a password",
        ),
    }
}

async fn cameras(city: &City) -> Vec<Finding> {
    let all = city.cameras.values().map(|camera| async move {
        let url = &camera.stream.address;
        let tried = match url.scheme() {
            "file" => url.to_file_path().map_err(|()| "no path".to_owned()).and_then(|path| file(&path)),
            "v4l2" => file(std::path::Path::new(url.path())),
            _ => try_address(url).await,
        };
        (camera.id.to_string(), tried)
    });
    let tried: Vec<_> = stream::iter(all).buffered(AT_ONCE).collect().await;
    let count = tried.len();
    let failed: Vec<_> =
        tried.into_iter().filter_map(|(id, tried)| tried.err().map(|why| (id, why))).collect();
    let mut findings =
        vec![Finding::ok("cameras", format!("{} of {count} take connections", count - failed.len()))];
    let advice = "is it on, is the address right, does a firewall stand between?";
    findings.extend(
        failed.iter().take(NAMED).map(|(id, why)| Finding::failure(format!("camera {id}"), why, advice)),
    );
    if failed.len() > NAMED {
        findings.push(Finding::failure("cameras", format!("{} more do not", failed.len() - NAMED), advice));
    }
    findings
}

fn file(path: &std::path::Path) -> Result<String, String> {
    match path.metadata() {
        Ok(_) => Ok(path.display().to_string()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Connects and closes again. Names host and port only: addresses may hold secrets.
async fn try_address(url: &Url) -> Result<String, String> {
    let host = url.host_str().ok_or("the address has no host")?;
    let port = url.port_or_known_default().or(match url.scheme() {
        "rtsp" => Some(554),
        "rtsps" => Some(322),
        "mqtt" => Some(1883),
        "mqtts" => Some(8883),
        "smtp" => Some(25),
        "smtps" => Some(465),
        _ => None,
    });
    let port = port.ok_or_else(|| format!("{host}: the address has no port"))?;
    match timeout(PATIENCE, TcpStream::connect((host.trim_matches(['[', ']']), port))).await {
        Ok(Ok(_)) => Ok(format!("{host}:{port}")),
        Ok(Err(error)) => Err(format!("{host}:{port}: {error}")),
        Err(_) => Err(format!("{host}:{port}: no answer within {} s", PATIENCE.as_secs())),
    }
}
