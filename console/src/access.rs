//! Who may ask for which page. A page that is not here is refused to everybody.

use crate::pages::go_to;
use crate::pages::people::permission_name;
use crate::problem;
use crate::shell::Visitor;
use axum::http::request::Parts;
use axum::response::Response;
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::Permission::{Act, Audit, Configure, Users, Verdict, View};
use citybrain_dispatcher::people::gate::Who::{Anyone, May, SignedIn};
use citybrain_dispatcher::people::gate::{Refusal, Rule};
use url::form_urlencoded::byte_serialize;

/// The table. What an action on a case needs beyond is asked for where it is followed.
pub const TABLE: &[Rule] = &[
    ("GET", "/assets/{*name}", Anyone),
    ("POST", "/preferences", Anyone),
    ("GET", "/sign-in", Anyone),
    ("POST", "/sign-in", Anyone),
    ("GET", "/sign-in/oidc", Anyone),
    ("GET", "/sign-in/oidc/answer", Anyone),
    ("GET", "/set-up", Anyone),
    ("POST", "/set-up", Anyone),
    ("POST", "/sign-out", SignedIn),
    ("GET", "/account", SignedIn),
    ("POST", "/account/password", SignedIn),
    ("POST", "/account/sessions", SignedIn),
    ("POST", "/account/tokens", SignedIn),
    ("POST", "/account/tokens/{id}/end", SignedIn),
    ("GET", "/users", May(Users)),
    ("POST", "/users", May(Users)),
    ("POST", "/users/{id}", May(Users)),
    ("GET", "/audit", May(Audit)),
    ("GET", "/", May(View)),
    ("POST", "/alarms/{id}", May(Act)),
    ("GET", "/cases", May(View)),
    ("GET", "/cases/{id}", May(View)),
    ("POST", "/cases/{id}/actions", May(Act)),
    ("GET", "/map", May(View)),
    ("GET", "/map/features", May(View)),
    ("GET", "/cameras", May(View)),
    ("GET", "/cameras/{id}", May(View)),
    ("POST", "/cameras/{id}/zones", May(Configure)),
    ("GET", "/deliveries", May(View)),
    ("GET", "/review", May(Verdict)),
    ("POST", "/review", May(Verdict)),
    ("GET", "/policies", May(View)),
    ("POST", "/policies/calibrate", May(Verdict)),
    ("GET", "/policies/{id}", May(View)),
    // What brings a policy into force asks for more, by action.
    ("POST", "/policies/{id}", May(Verdict)),
    ("POST", "/policies/{id}/forecast", May(Verdict)),
    ("GET", "/tuner", May(Verdict)),
    ("POST", "/tuner", May(Verdict)),
    ("POST", "/deliveries/replay", May(Act)),
    ("GET", "/reports", May(View)),
    ("GET", "/system", May(View)),
];

/// How the console refuses: whoever is not known is asked to sign in, and comes back to the page.
pub fn refuse(services: &Services, parts: &Parts, refusal: Refusal) -> Response {
    match refusal {
        Refusal::SignIn(next) => {
            let next = next
                .filter(|next| next != "/")
                .map(|next| format!("?next={}", byte_serialize(next.as_bytes()).collect::<String>()));
            let to = format!("/sign-in{}", next.unwrap_or_default());
            go_to(&to)
        }
        Refusal::Lacks(permission) => {
            let visitor = Visitor::of(parts);
            let may = permission_name(visitor.language, permission);
            let why = visitor.language.fill("shell.lacks", &[("may", &may)]);
            problem::forbidden(services, &visitor, why)
        }
        Refusal::Forbidden(why) => problem::forbidden(services, &Visitor::of(parts), why),
        Refusal::Unavailable => problem::silent(services, &Visitor::of(parts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn files(folder: &Path, end: &str, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, end, found);
            } else if path.extension().is_some_and(|extension| extension == end) {
                found.push((path.display().to_string(), std::fs::read_to_string(path).unwrap()));
            }
        }
    }

    #[test]
    fn every_route_of_the_console_has_its_line_in_the_table_and_none_is_left_over() {
        let mut sources = Vec::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "rs", &mut sources);
        let mut routed = BTreeSet::new();
        for (_, text) in &sources {
            let code: String = text.split("mod tests {").next().unwrap().split_whitespace().collect();
            for route in code.split(".route(\"").skip(1) {
                let (path, rest) = route.split_once('"').unwrap();
                // Up to the parenthesis that closes the route.
                let mut depth = 1;
                let end = rest.find(|c| {
                    depth += i32::from(c == '(') - i32::from(c == ')');
                    depth == 0
                });
                let handlers = &rest[..end.unwrap_or(rest.len())];
                for (word, method) in
                    [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("delete(", "DELETE")]
                {
                    if handlers.contains(&format!(",{word}")) || handlers.contains(&format!(".{word}")) {
                        routed.insert((method.to_owned(), path.to_owned()));
                    }
                }
            }
        }
        let table: BTreeSet<_> =
            TABLE.iter().map(|(m, path, _)| ((*m).to_owned(), (*path).to_owned())).collect();
        assert_eq!(routed, table);
        assert_eq!(table.len(), TABLE.len(), "a route stands twice in the table");
    }

    #[test]
    fn every_form_that_changes_something_carries_what_shows_that_it_is_of_this_session() {
        let mut templates = Vec::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), "html", &mut templates);
        let mut count = 0;
        for (name, text) in &templates {
            for form in text.split("<form").skip(1).map(|form| form.split("</form>").next().unwrap()) {
                if form.contains("method=\"post\"") {
                    assert!(
                        form.contains("{% include \"csrf.html\" %}"),
                        "a form of {name} lacks it:\n{form}"
                    );
                    count += 1;
                }
            }
        }
        assert!(count >= 8, "{count} forms");
    }
}
