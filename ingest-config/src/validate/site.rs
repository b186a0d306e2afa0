//! `[site]` → [`Site`].

use std::net::SocketAddr;
use std::path::Path;

use jiff::tz::TimeZone;
use url::Url;

use super::Context;
use crate::raw::RawSite;
use crate::resolved::Site;
use crate::row::Row;
use crate::suggestion::{nearest, shown};

pub(super) fn site(row: &Row<'_, RawSite>, context: &mut Context<'_>) -> Option<Site> {
    let time_zone = time_zone(row, context);
    let listen = listen(row, context);
    let public_url = match &row.raw.public_url {
        Some(text) => public_url(row, text, context),
        None => listen.and_then(|listen| Url::parse(&format!("http://{listen}")).ok()),
    };
    Some(Site {
        name: row.raw.name.clone(),
        time_zone: time_zone?,
        data_dir: absolute(row.place.source().folder(), &row.raw.data_dir),
        listen: listen?,
        public_url: public_url?,
    })
}

/// A path of the file, made absolute; it starts from the folder of the file.
pub(crate) fn absolute(folder: &Path, path: &str) -> std::path::PathBuf {
    let joined = folder.join(path);
    std::path::absolute(&joined).unwrap_or(joined)
}

/// The zone's name as the tz database writes it.
fn time_zone(row: &Row<'_, RawSite>, context: &mut Context<'_>) -> Option<String> {
    let name = row.raw.time_zone.as_str();
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone.iana_name().unwrap_or(name).to_owned());
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let suggestion = match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean '{}'?", meant.name),
        None => "use a name of the tz database, for instance Asia/Shanghai".to_owned(),
    };
    let message = format!("is no known time zone: '{}'", shown(name));
    row.place.suggest(&mut context.problems, "time_zone", message, Some(suggestion));
    None
}

fn listen(row: &Row<'_, RawSite>, context: &mut Context<'_>) -> Option<SocketAddr> {
    let text = &row.raw.listen;
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    let suggestion = match text.strip_prefix("localhost") {
        Some(port) if format!("127.0.0.1{port}").parse::<SocketAddr>().is_ok() => {
            format!("write 127.0.0.1{}", shown(port))
        }
        _ => "write, for instance, 127.0.0.1:8080".to_owned(),
    };
    let message = format!("is not an IP address and port: '{}'", shown(text));
    row.place.suggest(&mut context.problems, "listen", message, Some(suggestion));
    None
}

fn public_url(row: &Row<'_, RawSite>, text: &str, context: &mut Context<'_>) -> Option<Url> {
    match super::address::web_address(text) {
        Ok(url) => Some(url),
        Err(fault) => {
            row.place.suggest(&mut context.problems, "public_url", &fault.message, fault.suggestion);
            None
        }
    }
}
