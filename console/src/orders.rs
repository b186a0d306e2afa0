//! What operators do with a case, sent by the forms of its page.

use crate::local_time::LocalTime;
use crate::pages::case::{self, Refusal};
use crate::pages::go_to;
use crate::problem::{not_found, unavailable};
use crate::shell::Visitor;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use citybrain_dispatcher::api::ActionBody;
use citybrain_dispatcher::people::Actor;
use citybrain_dispatcher::people::role::may_act;
use citybrain_dispatcher::{OrderError, Services};
use citybrain_types::{CaseAction, CaseId, DepartmentId, VoidReason};
use url::form_urlencoded;

/// A form as a browser sends it: names and values in its order, what was left empty as an empty text.
pub struct Entered(Vec<(String, String)>);

impl Entered {
    /// Reads a body of `application/x-www-form-urlencoded`.
    pub fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// What was entered under a name, trimmed; `None` where it was left empty.
    pub fn one(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(known, value)| known == name && !value.trim().is_empty());
        value.map(|(_, value)| value.trim())
    }

    /// What was entered under a name as it is, blanks and all: of a password.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Everything that was entered under a name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = name.to_owned();
        let ours = self.0.iter().filter(move |(known, _)| *known == name);
        ours.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    fn body(&self, time: &LocalTime) -> Result<ActionBody, String> {
        let action =
            CaseAction::from_name(self.one("action").unwrap_or_default()).ok_or("there is no such action")?;
        let because = |name| {
            VoidReason::from_name(name).ok_or("write false_alarm, duplicate or not_responsible".to_owned())
        };
        let number = |name: &str| {
            let read = |text: &str| text.parse::<u32>().map_err(|_| format!("'{name}' is no number"));
            self.one(name).map(read).transpose()
        };
        let until = |text: &str| time.read(text).ok_or(format!("'{text}' is no moment on the city's clock"));
        let departments =
            self.all("departments").map(str::parse::<DepartmentId>).collect::<Result<Vec<_>, _>>();
        let departments = departments.map_err(shown)?;
        Ok(ActionBody {
            action,
            by: None,
            department: self.one("department").map(str::parse).transpose().map_err(shown)?,
            reason: self.one("reason").unwrap_or_default().to_owned(),
            departments: Some(departments).filter(|departments| !departments.is_empty()),
            to: self.one("to").map(str::to_owned),
            until: self.one("until").map(until).transpose()?,
            minutes: number("minutes")?,
            because: self.one("because").map(because).transpose()?,
            stars: number("stars")?.map(|stars| u8::try_from(stars).unwrap_or(u8::MAX)),
        })
    }
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Follows the order and shows the page it came from. An order that is not followed comes back with what was entered
/// and why; one on a case that has changed meanwhile also with what has changed.
pub async fn act(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let Ok(id) = CaseId::new(&id) else {
        return not_found(&services, &visitor, visitor.language.t("shell.bad_case").to_owned());
    };
    let entered = Entered::read(&body);
    let seen = entered.one("version").and_then(|version| version.parse().ok());
    let time = LocalTime::of(&services.site().time_zone);
    let order = entered.body(&time).and_then(|body| {
        may_act(&actor, body.action).map_err(shown)?;
        let by = actor.by(entered.one("by"));
        by.and_then(|by| body.into_order(by)).map_err(|problem| problem.detail().to_owned())
    });
    let order = match order {
        Ok(order) => order,
        Err(why) => {
            return refused(&services, &visitor, &actor, &id, Refusal { why, seen: None, entered }).await;
        }
    };
    match services.act(&id, &order, seen, |_| None).await {
        Ok(_) => {
            if entered.one("back") == Some("alarms") {
                go_to("/")
            } else {
                go_to(&format!("/cases/{id}"))
            }
        }
        Err(OrderError::Unknown(id)) => {
            not_found(&services, &visitor, visitor.language.fill("shell.no_case", &[("id", &id)]))
        }
        Err(OrderError::Store(error)) => unavailable(&services, &visitor, &error),
        Err(OrderError::Stale { .. }) => {
            let why = visitor.language.t("case.stale").to_owned();
            refused(&services, &visitor, &actor, &id, Refusal { why, seen, entered }).await
        }
        Err(error) => {
            let why = error.to_string();
            refused(&services, &visitor, &actor, &id, Refusal { why, seen, entered }).await
        }
    }
}

async fn refused(
    services: &Services,
    visitor: &Visitor,
    actor: &Actor,
    id: &CaseId,
    refusal: Refusal,
) -> Response {
    let page = case::show(services, visitor, actor, id, Some(refusal)).await;
    if page.status().is_success() { (StatusCode::CONFLICT, page).into_response() } else { page }
}
