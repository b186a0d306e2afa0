//! What stands around every page: navigation, language, light or dark, and who is signed in.

use crate::i18n::Language;
use crate::pages::people::role_name;
use axum::Form;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::{Actor, Permission};
use serde::Deserialize;
use std::convert::Infallible;

/// A place in the navigation. A page names its own by `code`.
pub struct Section {
    /// What pages call it.
    pub code: &'static str,
    /// Where it is.
    pub path: &'static str,
    /// Key of its name.
    pub key: &'static str,
    /// Whether its page is there; one that is not is left out.
    built: bool,
}

/// The navigation, in the order an officer on duty needs it.
const SECTIONS: [Section; 10] = [
    Section { code: "alarms", path: "/", key: "shell.nav_alarms", built: true },
    Section { code: "cases", path: "/cases", key: "shell.nav_cases", built: true },
    Section { code: "map", path: "/map", key: "shell.nav_map", built: true },
    Section { code: "cameras", path: "/cameras", key: "shell.nav_cameras", built: true },
    Section { code: "review", path: "/review", key: "shell.nav_review", built: true },
    Section { code: "tuner", path: "/tuner", key: "shell.nav_tuner", built: true },
    Section { code: "policies", path: "/policies", key: "shell.nav_policies", built: true },
    Section { code: "deliveries", path: "/deliveries", key: "shell.nav_deliveries", built: true },
    Section { code: "reports", path: "/reports", key: "shell.nav_reports", built: true },
    Section { code: "system", path: "/system", key: "shell.nav_system", built: true },
];

/// Longest path that a preference returns to.
const MAX_BACK: usize = 1_000;

/// Who is signed in, as the gate says; where nobody signs in the console shows no account menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Name for people.
    pub name: String,
    /// What the user may do, in words for the menu.
    pub role: String,
    /// Sent back by every form in a field `csrf`.
    pub csrf: String,
    /// Whether the user makes and changes users.
    pub users: bool,
    /// Whether the user reads the audit log.
    pub audit: bool,
}

impl Account {
    /// Whoever has signed in; `None` for nobody, and where nobody signs in.
    fn of(actor: &Actor, language: Language) -> Option<Self> {
        let role = actor.role?;
        Some(Self {
            name: actor.signature(),
            role: role_name(language, role),
            csrf: actor.csrf().to_owned(),
            users: actor.may(Permission::Users),
            audit: actor.may(Permission::Audit),
        })
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theme {
    System,
    Light,
    Dark,
}

/// Who asks for a page, and how it is to be shown. Every handler of a page takes one.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Language of the page: by the cookie `lang`, else by what the browser prefers, else English.
    pub language: Language,
    /// Who is signed in, where anyone has to.
    pub account: Option<Account>,
    theme: Theme,
    here: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl Visitor {
    /// Of a request.
    pub fn of(parts: &Parts) -> Self {
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let language = cookie(&parts.headers, "lang")
            .and_then(Language::from_tag)
            .or_else(|| accepted.and_then(Language::from_accept))
            .unwrap_or(Language::English);
        let theme = match cookie(&parts.headers, "theme") {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        };
        let here = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let account = parts.extensions.get::<Actor>().and_then(|actor| Account::of(actor, language));
        Self { language, theme, here, account }
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// What every page's template holds as `frame`.
pub struct Frame {
    /// Name of the installation.
    pub site: String,
    /// Zone in which times are shown.
    pub zone: String,
    /// The section it belongs to.
    pub page: &'static str,
    /// Who asked for it.
    pub visitor: Visitor,
    /// Whether people have to sign in, and the visitor has not: there is nothing to navigate to.
    pub outside: bool,
}

impl Frame {
    /// For a page of a section, or of none: `""`.
    pub fn new(services: &Services, visitor: &Visitor, page: &'static str) -> Self {
        let site = services.site();
        let outside = visitor.account.is_none() && services.has_people_sign_in();
        Self { site: site.name, zone: site.time_zone, page, visitor: visitor.clone(), outside }
    }

    /// The words under a key.
    pub fn t<'a>(&self, key: &'a str) -> &'a str {
        self.visitor.language.t(key)
    }

    /// The words under a key, with one gap filled.
    pub fn with(&self, key: &str, name: &str, value: impl std::fmt::Display) -> String {
        self.visitor.language.fill(key, &[(name, &value)])
    }

    /// The navigation.
    pub fn sections(&self) -> impl Iterator<Item = &'static Section> {
        SECTIONS.iter().filter(|section| section.built)
    }

    /// Tag of the language.
    pub const fn language(&self) -> &'static str {
        self.visitor.language.tag()
    }

    /// The other language: its tag, for the switch.
    pub const fn other_language(&self) -> &'static str {
        match self.visitor.language {
            Language::English => "zh",
            Language::Chinese => "en",
        }
    }

    /// `light`, `dark` or `system`, as chosen.
    pub const fn theme(&self) -> &'static str {
        match self.visitor.theme {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// What the switch turns to: system, light, dark, and round again.
    pub const fn next_theme(&self) -> &'static str {
        match self.visitor.theme {
            Theme::System => "light",
            Theme::Light => "dark",
            Theme::Dark => "system",
        }
    }

    /// Path and query of this page.
    pub fn here(&self) -> &str {
        &self.visitor.here
    }

    /// What forms send back so that no other site can send them; empty where nobody has to sign in.
    pub fn csrf(&self) -> &str {
        self.visitor.account.as_ref().map_or("", |account| account.csrf.as_str())
    }
}

/// A choice of the header's switches.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Preference {
    lang: String,
    theme: String,
    back: String,
}

/// Remembers language or theme in a cookie and returns to the page.
pub async fn prefer(Form(preference): Form<Preference>) -> Response {
    let mut cookies = Vec::new();
    if let Some(language) = Language::from_tag(&preference.lang) {
        cookies.push((header::SET_COOKIE, lasting("lang", language.tag())));
    }
    if let Some(theme) = ["light", "dark", "system"].into_iter().find(|known| *known == preference.theme) {
        cookies.push((header::SET_COOKIE, lasting("theme", theme)));
    }
    let back = if is_own_path(&preference.back) { preference.back } else { "/".to_owned() };
    (StatusCode::SEE_OTHER, AppendHeaders(cookies), [(header::LOCATION, back)]).into_response()
}

fn lasting(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly")
}

/// A path on this server: nothing that a browser would take for another host.
pub fn is_own_path(path: &str) -> bool {
    path.len() <= MAX_BACK
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_returns_to_this_server_only() {
        for path in ["/", "/cases?state=filed&kind=fire", "/cases/a-b"] {
            assert!(is_own_path(path), "{path}");
        }
        for path in ["", "cases", "//evil.example/", "/\\evil.example", "https://evil.example/", "/a\r\nb: c"]
        {
            assert!(!is_own_path(path), "{path}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=b; lang=zh;theme=dark".parse().unwrap());
        assert_eq!(cookie(&headers, "lang"), Some("zh"));
        assert_eq!(cookie(&headers, "theme"), Some("dark"));
        assert_eq!(cookie(&headers, "ang"), None);
    }
}
