//! Addresses of cameras, receivers and brokers; credentials in them are taken out.
//!
//! No message shows the text of an address: what cannot be read may hold a password anywhere.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::resolved::Credentials;
use crate::suggestion::{did_you_mean, shown};

const CAMERA_SCHEMES: [&str; 5] = ["rtsp", "http", "https", "file", "v4l2"];

/// Where a camera's pictures come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CameraAddress {
    /// Without credentials.
    pub url: Url,
    pub credentials: Option<Credentials>,
}

/// What is wrong with an address; the message continues the sentence `'url' in …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressFault {
    pub message: String,
    pub suggestion: Option<String>,
}

impl AddressFault {
    fn new(message: impl Into<String>, suggestion: &str) -> Self {
        Self { message: message.into(), suggestion: Some(suggestion.to_owned()) }
    }
}

impl CameraAddress {
    /// Reads an address, or the path of a file that starts from `folder`.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Self, AddressFault> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::from_path(text, folder);
        };
        check_scheme(scheme, &CAMERA_SCHEMES)?;
        let address = split(text)?;
        let url = &address.url;
        match url.scheme() {
            "file" if url.to_file_path().is_err() => {
                Err(AddressFault::new("is no local file", "write file:///absolute/path or the path alone"))
            }
            "v4l2" if !rest.starts_with('/') || rest.len() < 2 => {
                Err(AddressFault::new("names no device", "write, for instance, v4l2:///dev/video0"))
            }
            "file" | "v4l2" => Ok(address),
            _ if url.host_str().is_none_or(str::is_empty) => {
                Err(AddressFault::new("names no host", "write, for instance, rtsp://192.0.2.7/stream"))
            }
            // `rtsp://user:1/2@host` is read as host `user`, port 1: part of a password would go into logs.
            _ if address.credentials.is_none() && url[url::Position::AfterHost..].contains('@') => {
                Err(AddressFault::new(
                    "holds '@' after its host",
                    "percent-encode '/' and '?' in a password, or use the keys 'user' and 'password'",
                ))
            }
            _ => Ok(address),
        }
    }

    /// The local file, where it is one.
    pub(crate) fn file(&self) -> Option<std::path::PathBuf> {
        if self.url.scheme() == "file" { self.url.to_file_path().ok() } else { None }
    }

    fn from_path(text: &str, folder: &Path) -> Result<Self, AddressFault> {
        let first = text.split('/').next().unwrap_or_default();
        let port = first.rsplit_once(':').map(|(_, port)| port);
        let is_host = first.parse::<IpAddr>().is_ok()
            || first.parse::<SocketAddr>().is_ok()
            || port.is_some_and(|port| port.parse::<u16>().is_ok());
        if text.contains('@') || is_host {
            return Err(AddressFault::new(
                "has no scheme",
                "begin it with rtsp:// or another of the known schemes",
            ));
        }
        let path = super::site::absolute(folder, text);
        match Url::from_file_path(path) {
            Ok(url) => Ok(Self { url, credentials: None }),
            Err(()) => Err(AddressFault::new("is no local file", "write file:///absolute/path")),
        }
    }
}

/// An `http` or `https` address without credentials.
pub(crate) fn web_address(text: &str) -> Result<Url, AddressFault> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(AddressFault::new("has no scheme", "begin it with https://"));
    };
    check_scheme(scheme, &["http", "https"])?;
    let address = split(text)?;
    match address.credentials {
        Some(_) => {
            Err(AddressFault::new("holds a user name or password", "leave them out: deliveries are signed"))
        }
        None => Ok(address.url),
    }
}

/// The address of an MQTT broker, with its port filled in.
pub(crate) fn broker_address(text: &str) -> Result<CameraAddress, AddressFault> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(AddressFault::new("has no scheme", "begin it with mqtt:// or mqtts://"));
    };
    check_scheme(scheme, &["mqtt", "mqtts"])?;
    let mut address = split(text)?;
    if address.url.host_str().is_none_or(str::is_empty) {
        return Err(AddressFault::new("names no host", "write, for instance, mqtt://127.0.0.1:1883"));
    }
    if !matches!(address.url.path(), "" | "/") {
        return Err(AddressFault::new(
            "has a path",
            "a broker is a host and a port; 'topic' is a key of its own",
        ));
    }
    if address.url.port().is_none() {
        let port = if address.url.scheme() == "mqtts" { 8883 } else { 1883 };
        // Fails only for an address without host, which is refused above.
        let _ = address.url.set_port(Some(port));
    }
    Ok(address)
}

/// The address of a mail server, with its port filled in.
pub(crate) fn mail_address(text: &str) -> Result<Url, AddressFault> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(AddressFault::new("has no scheme", "begin it with smtps:// or smtp://"));
    };
    check_scheme(scheme, &["smtp", "smtps"])?;
    let address = split(text)?;
    if address.credentials.is_some() {
        return Err(AddressFault::new("holds a user name or password", "give 'user' and 'password_file'"));
    }
    let mut url = address.url;
    if url.host_str().is_none_or(str::is_empty) || !matches!(url.path(), "" | "/") {
        return Err(AddressFault::new("is no mail server", "write, for instance, smtps://mail.example"));
    }
    if !matches!(url.query(), None | Some("tls=none")) {
        return Err(AddressFault::new("has a query that is not known", "only ?tls=none is"));
    }
    if url.port().is_none() {
        // Fails only for an address without host, which is refused above.
        let _ = url.set_port(Some(if url.scheme() == "smtps" { 465 } else { 587 }));
    }
    Ok(url)
}

/// The address of a PostgreSQL database, with its port filled in.
pub(crate) fn database_address(text: &str) -> Result<CameraAddress, AddressFault> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(AddressFault::new("has no scheme", "begin it with postgres://"));
    };
    check_scheme(scheme, &["postgres", "postgresql"])?;
    let mut address = split(text)?;
    let url = &mut address.url;
    if url.path().len() < 2 {
        return Err(AddressFault::new(
            "names no database",
            "write, for instance, postgres://127.0.0.1/citybrain",
        ));
    }
    if let Some((key, _)) =
        url.query_pairs().find(|(key, _)| !matches!(&**key, "host" | "port" | "sslmode" | "sslrootcert"))
    {
        return Err(AddressFault::new(
            format!("holds '{}', which is not known", shown(&key)),
            "host, port, sslmode and sslrootcert may follow the '?'; user and password are keys of their own",
        ));
    }
    let given =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let host = given("host").or_else(|| url.host_str().map(str::to_owned)).filter(|host| !host.is_empty());
    let Some(host) = host else {
        return Err(AddressFault::new(
            "names no host",
            "write, for instance, postgres://127.0.0.1/citybrain",
        ));
    };
    let is_here = host.starts_with('/')
        || host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    match given("sslmode") {
        Some(mode) if !MODES.contains(&mode.as_str()) => {
            return Err(AddressFault::new(
                format!("has the unknown sslmode '{}'", shown(&mode)),
                "known are: disable, allow, prefer, require, verify-ca, verify-full",
            ));
        }
        None if !is_here => {
            url.query_pairs_mut().append_pair("sslmode", "verify-full");
        }
        _ => {}
    }
    Ok(address)
}

fn check_scheme(scheme: &str, known: &[&str]) -> Result<(), AddressFault> {
    if known.iter().any(|name| name.eq_ignore_ascii_case(scheme)) {
        return Ok(());
    }
    let suggestion = did_you_mean(scheme, known.iter().copied());
    Err(AddressFault {
        message: format!("has the unknown scheme '{}'", shown(scheme)),
        suggestion: suggestion.or_else(|| Some(format!("known are: {}", known.join(", ")))),
    })
}

/// Parses an address and takes user name and password out of it, percent-decoded.
fn split(text: &str) -> Result<CameraAddress, AddressFault> {
    let mut url = Url::parse(text).map_err(|error| {
        // The parser's reasons are fixed sentences; they never quote the text.
        AddressFault::new(
            format!("is not an address: {error}"),
            "percent-encode '/', '?', '#' and '@' in user name and password",
        )
    })?;
    if url.fragment().is_some() {
        return Err(AddressFault::new("holds '#'", "write it as %23"));
    }
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(std::borrow::Cow::into_owned).map_err(|_| {
            AddressFault::new("holds a user name or password that is not UTF-8", "percent-encode it as UTF-8")
        })
    };
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => {
            Some(Credentials { user: decode(user)?, password: decode(password.unwrap_or_default())? })
        }
    };
    if credentials.is_some() && (url.set_username("").is_err() || url.set_password(None).is_err()) {
        return Err(AddressFault::new(
            "holds a user name but no host",
            "write rtsp://user:password@host/path",
        ));
    }
    Ok(CameraAddress { url, credentials })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CameraAddress, AddressFault> {
        CameraAddress::parse(text, Path::new("/city"))
    }

    #[test]
    fn credentials_are_taken_out_and_percent_decoded() {
        let address = parse("rtsp://ad%20min:p%40ss%2Fw%C3%B6rd@192.0.2.7:8554/s/1?x=1").unwrap();
        assert_eq!(address.url.as_str(), "rtsp://192.0.2.7:8554/s/1?x=1");
        let credentials = address.credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("ad min", "p@ss/wörd"));
    }

    #[test]
    fn a_password_that_was_not_encoded_never_ends_up_in_the_address_or_a_message() {
        for text in [
            "rtsp://admin:secret/1@192.0.2.7/s",
            "rtsp://admin:12/secret@192.0.2.7/s",
            "rtsp://admin:12#secret@192.0.2.7/s",
            "rtsp://admin:12?secret@192.0.2.7/s",
            "rtsp://admin:secret@/s",
            "admin:secret@192.0.2.7/s",
            "secret@192.0.2.7:554",
        ] {
            match parse(text) {
                Ok(address) => panic!("{text} was read as {}", address.url),
                Err(fault) => assert!(!format!("{fault:?}").contains("secret"), "{fault:?}"),
            }
        }
    }

    #[test]
    fn a_path_is_a_file_and_a_host_without_scheme_is_not() {
        assert_eq!(parse("clips/a b.mp4").unwrap().url.as_str(), "file:///city/clips/a%20b.mp4");
        assert_eq!(parse("/dev/shm/a.mp4").unwrap().file().unwrap(), Path::new("/dev/shm/a.mp4"));
        assert!(parse("192.0.2.7/stream").is_err());
        assert!(parse("gate.example:554/stream").is_err());
        assert!(parse("file://clips/a.mp4").is_err());
    }

    #[test]
    fn a_database_elsewhere_must_show_a_certificate_unless_the_address_says_otherwise() {
        let read = |text| database_address(text).map(|address| address.url.to_string());
        assert_eq!(
            read("postgres://db.example/city").unwrap(),
            "postgres://db.example/city?sslmode=verify-full"
        );
        for as_it_is in [
            "postgres://127.0.0.1:5433/city",
            "postgres://[::1]/city",
            "postgres://db.example/city?sslmode=require",
            "postgres:///city?host=/var/run/postgresql",
        ] {
            assert_eq!(read(as_it_is).unwrap(), as_it_is);
        }
        for refused in [
            "postgres://db.example",
            "postgres:///city",
            "postgres://db.example/city?password=secret",
            "postgres://db.example/city?sslmode=off",
            "mysql://db.example/city",
            "db.example/city",
        ] {
            let fault = database_address(refused).unwrap_err();
            assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
        }
    }

    #[test]
    fn a_broker_gets_the_port_of_its_scheme() {
        assert_eq!(broker_address("mqtts://broker.example").unwrap().url.port(), Some(8883));
        assert_eq!(broker_address("mqtt://broker.example:9").unwrap().url.port(), Some(9));
        assert!(broker_address("mqtt:///topic").is_err());
    }
}
