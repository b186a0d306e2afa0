//! `POST /api/v1/cases/{id}/actions`.

use super::Problem;
use super::precondition::{Once, tagged, version_seen};
use crate::case::OrderError;
use crate::case::action::{Action, Order, Refused};
use crate::people::{Actor, role};
use crate::services::Services;
use crate::store::StoreError;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use citybrain_types::{CaseAction, CaseId, DepartmentId, Timestamp, VoidReason};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Most departments in one order.
const MAX_DEPARTMENTS: usize = 64;

/// An order as it is sent. What an action does not need must not be there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionBody {
    /// What to do.
    pub action: CaseAction,
    /// Who does it, 1 to 100 characters, where nobody signs in. Else it is whoever has signed in, and may be left out.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    pub by: Option<String>,
    /// For which department, where the case is handed to several.
    #[serde(default)]
    pub department: Option<DepartmentId>,
    /// Why, at most 500 characters. Most actions that end or delay a case need it.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub reason: String,
    /// `dispatch`, `approve_return`: whom to hand it to; by the routes when not given.
    #[serde(default)]
    pub departments: Option<Vec<DepartmentId>>,
    /// `transfer`: to which department; `link`: to which case.
    #[serde(default)]
    pub to: Option<String>,
    /// `suspend`: until when; without end when not given.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// `extend`: by how many minutes.
    #[serde(default)]
    #[schemars(range(min = 1, max = 43_200))]
    pub minutes: Option<u32>,
    /// `void`: why it is no case.
    #[serde(default)]
    pub because: Option<VoidReason>,
    /// `rate`: 1 to 5.
    #[serde(default)]
    #[schemars(range(min = 1, max = 5))]
    pub stars: Option<u8>,
}

impl ActionBody {
    /// The order of whoever acts, when everything it needs is there and nothing else.
    ///
    /// # Errors
    /// What is missing or too much.
    pub fn into_order(self, by: String) -> Result<Order, Problem> {
        let action = self.action;
        let needs = |field: &str| Problem::invalid(format!("'{action}' needs '{field}'"));
        let given = [
            ("departments", self.departments.is_some()),
            ("to", self.to.is_some()),
            ("until", self.until.is_some()),
            ("minutes", self.minutes.is_some()),
            ("because", self.because.is_some()),
            ("stars", self.stars.is_some()),
        ];
        let taken = match action {
            CaseAction::Dispatch | CaseAction::ApproveReturn => "departments",
            CaseAction::Transfer | CaseAction::Link => "to",
            CaseAction::Suspend => "until",
            CaseAction::Extend => "minutes",
            CaseAction::Void => "because",
            CaseAction::Rate => "stars",
            _ => "",
        };
        if let Some((extra, _)) = given.iter().find(|(name, is_given)| *is_given && *name != taken) {
            return Err(Problem::invalid(format!("'{action}' does not take '{extra}'")));
        }
        let departments = self.departments.unwrap_or_default();
        if departments.len() > MAX_DEPARTMENTS {
            return Err(Problem::invalid(format!("at most {MAX_DEPARTMENTS} 'departments' are taken")));
        }
        let to = || self.to.ok_or_else(|| needs("to"));
        let action = match action {
            CaseAction::Verify => Action::Verify,
            CaseAction::File => Action::File,
            CaseAction::Dispatch => Action::Dispatch(departments),
            CaseAction::Accept => Action::Accept,
            CaseAction::Start => Action::Start,
            CaseAction::Done => Action::Done,
            CaseAction::Return => Action::Return,
            CaseAction::ApproveReturn => Action::ApproveReturn(departments),
            CaseAction::RejectReturn => Action::RejectReturn,
            CaseAction::Transfer => Action::Transfer(DepartmentId::new(to()?)?),
            CaseAction::Suspend => Action::Suspend(self.until),
            CaseAction::Resume => Action::Resume,
            CaseAction::Extend => {
                let minutes = self.minutes.ok_or_else(|| needs("minutes"))?;
                Action::Extend(Duration::from_secs(u64::from(minutes) * 60))
            }
            CaseAction::Link => Action::Link(CaseId::new(to()?)?),
            CaseAction::Void => Action::Void(self.because.ok_or_else(|| needs("because"))?),
            CaseAction::Close => Action::Close,
            CaseAction::Reopen => Action::Reopen,
            CaseAction::Rate => Action::Rate(self.stars.ok_or_else(|| needs("stars"))?),
        };
        Ok(Order { action, by, department: self.department, reason: self.reason })
    }
}

/// A JSON body; a problem when its media type or its content is another.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send 'application/json'"));
    }
    // A list of its fields in their order would pass for an object.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::invalid("the body is not a JSON object"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::invalid(format!("the body is not understood: {error}")))
}

pub(super) async fn act(
    State(services): State<Services>,
    Path(id): Path<String>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let id = CaseId::new(&id)?;
    let seen = version_seen(&headers)?;
    let once = Once::of(&headers, &format!("actions/{id}"), &body)?;
    if let Some(once) = &once
        && let Some(before) = once.before(&services).await?
    {
        return Ok(before);
    }
    let body = json::<ActionBody>(&headers, &body)?;
    role::may_act(&actor, body.action)?;
    let by = actor.by(body.by.as_deref())?;
    let order = body.into_order(by)?;
    let now = services.now();
    let keep = |case: &citybrain_types::Case| {
        let once = once.as_ref()?;
        Some(once.answer(StatusCode::OK, serde_json::to_string(case).ok()?, now))
    };
    match services.act(&id, &order, seen, keep).await {
        Ok(case) => Ok(tagged(&HeaderMap::new(), case.version, &case)),
        Err(OrderError::Store(StoreError::KeyInUse)) if once.is_some() => {
            let before = match &once {
                Some(once) => once.before(&services).await?,
                None => None,
            };
            before.ok_or_else(|| StoreError::KeyInUse.into())
        }
        Err(error) => Err(error.into()),
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Unknown(_) => Self::not_found(error.to_string()),
            OrderError::Stale { .. } => Self::new(StatusCode::PRECONDITION_FAILED, error.to_string()),
            OrderError::Refused(Refused::NotNow { ref allowed, .. }) => {
                let allowed = allowed.clone();
                Self::new(StatusCode::CONFLICT, error.to_string()).with_allowed(allowed)
            }
            OrderError::Refused(Refused::Invalid(detail)) => Self::invalid(detail),
            OrderError::Refused(Refused::Illegal(ref illegal)) => {
                tracing::error!(%illegal, "an allowed action leads to a state that is not allowed");
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            OrderError::Photos(ref error) => {
                tracing::error!(%error, "photos of a report cannot be kept");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "photos cannot be kept; try again")
            }
            OrderError::Store(error) => error.into(),
        }
    }
}
