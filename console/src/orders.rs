//! What operators do with a case, sent by the forms of its page.

use crate::problem::{conflict, not_found, unavailable};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use citybrain_dispatcher::api::ActionBody;
use citybrain_dispatcher::{OrderError, Services};
use citybrain_types::{CaseAction, CaseId, VoidReason};
use serde::Deserialize;

/// A form as a browser sends it: what was left empty is an empty text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OrderForm {
    version: u32,
    action: String,
    by: String,
    reason: String,
    department: String,
    departments: String,
    to: String,
    until: String,
    minutes: String,
    because: String,
    stars: String,
}

impl OrderForm {
    fn into_body(self) -> Result<ActionBody, String> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let action = CaseAction::from_name(&self.action).ok_or("there is no such action")?;
        let because = given(&self.because).map(|name| {
            VoidReason::from_name(&name).ok_or("write false_alarm, duplicate or not_responsible")
        });
        let number = |text: &str, what: &str| {
            given(text)
                .map(|text| text.parse::<u32>().map_err(|_| format!("{what} is no number")))
                .transpose()
        };
        let ids = given(&self.departments).map(|list| {
            list.split([',', ' ']).filter(|id| !id.is_empty()).map(str::parse).collect::<Result<Vec<_>, _>>()
        });
        let stars = number(&self.stars, "stars")?.map(|stars| u8::try_from(stars).unwrap_or(u8::MAX));
        Ok(ActionBody {
            action,
            by: self.by,
            department: given(&self.department).map(|id| id.parse()).transpose().map_err(shown)?,
            reason: self.reason,
            departments: ids.transpose().map_err(shown)?,
            to: given(&self.to),
            until: given(&self.until).map(|at| at.parse()).transpose().map_err(shown)?,
            minutes: number(&self.minutes, "minutes")?,
            because: because.transpose()?,
            stars,
        })
    }
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Follows the order and shows the case again.
pub async fn act(
    State(services): State<Services>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<OrderForm>,
) -> Response {
    // A page of another site must not act with the visitor's browser.
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site") {
        return (StatusCode::FORBIDDEN, "a page of another site may not change anything here")
            .into_response();
    }
    let Ok(id) = CaseId::new(&id) else {
        return not_found(&services, "That is not the id of a case.".to_owned());
    };
    let seen = Some(form.version);
    let order =
        form.into_body().and_then(|body| body.into_order().map_err(|problem| problem.detail().to_owned()));
    let order = match order {
        Ok(order) => order,
        Err(fault) => return conflict(&services, fault),
    };
    match services.act(&id, &order, seen, |_| None).await {
        Ok(_) => (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/cases/{id}"))]).into_response(),
        Err(OrderError::Unknown(id)) => not_found(&services, format!("There is no case {id}.")),
        Err(OrderError::Store(error)) => unavailable(&services, &error),
        Err(refused) => conflict(&services, refused.to_string()),
    }
}
