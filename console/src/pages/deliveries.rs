//! Deliveries and dead letters.

use super::{Choice, go_to, page};
use crate::orders::Entered;
use crate::problem::{bad_request, conflict, unavailable};
use crate::rows::{DeliveryRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use citybrain_dispatcher::{DeliveryFilter, PageRequest, Replay, Services};
use citybrain_types::{DeliveryState, DestinationId};
use serde::Deserialize;
use url::form_urlencoded;

/// Rows on a page.
const PAGE: u32 = 50;

/// Every state, in the order a delivery goes through them.
const STATES: [DeliveryState; 3] = [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Dead];

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/deliveries", get(deliveries)).route("/deliveries/replay", post(replay))
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    frame: Frame,
    states: Vec<Choice>,
    desks: Vec<Choice>,
    desk: String,
    deliveries: Vec<DeliveryRow>,
    next: Option<String>,
}

/// Which deliveries; what is left empty asks for all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeliveriesQuery {
    state: String,
    desk: String,
    cursor: String,
}

fn address(state: &str, desk: &str, cursor: &str) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("state", state), ("desk", desk), ("cursor", cursor)] {
        if !value.is_empty() {
            pairs.append_pair(name, value);
        }
    }
    format!("/deliveries?{}", pairs.finish())
}

async fn deliveries(
    State(services): State<Services>,
    visitor: Visitor,
    Query(query): Query<DeliveriesQuery>,
) -> Response {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let destination = match given(&query.desk).map(|id| id.parse::<DestinationId>()).transpose() {
        Ok(destination) => destination,
        Err(error) => return bad_request(&services, &visitor, error.to_string()),
    };
    let cursor = match given(&query.cursor).map(|cursor| cursor.parse()).transpose() {
        Ok(cursor) => cursor,
        Err(error) => return bad_request(&services, &visitor, format!("{error}")),
    };
    let state = STATES.into_iter().find(|state| state.name() == query.state);
    let filter = DeliveryFilter { state, destination };
    let found = match services.deliveries(&filter, &PageRequest::new(Some(PAGE), cursor)).await {
        Ok(found) => found,
        Err(error) => return unavailable(&services, &visitor, &error),
    };
    let writer = Writer::new(&services, &visitor);
    let state_of = |state: &DeliveryState| {
        Choice::new(state.name(), &writer.language.name("delivery.state", state.name()), &query.state)
    };
    let city = services.city();
    let desk_of = |id: &DestinationId| Choice::new(id.as_str(), id.as_str(), &query.desk);
    page(&DeliveriesPage {
        frame: Frame::new(&services, &visitor, "deliveries"),
        states: STATES.iter().map(state_of).collect(),
        desks: city.destinations.keys().map(desk_of).collect(),
        next: found.next.map(|cursor| address(&query.state, &query.desk, &cursor)),
        desk: query.desk,
        deliveries: found.deliveries.iter().map(|delivery| DeliveryRow::new(delivery, &writer)).collect(),
    })
}

/// Sends a dead delivery again, or every dead one of a desk.
async fn replay(State(services): State<Services>, visitor: Visitor, body: Bytes) -> Response {
    let entered = Entered::read(&body);
    let back = |desk: &str| go_to(&address("", desk, ""));
    if let Some(key) = entered.one("key") {
        return match services.replay(key).await {
            Ok(Replay::Queued(_)) => back(""),
            Ok(_) => conflict(&services, &visitor, visitor.language.t("delivery.not_dead").to_owned()),
            Err(error) => unavailable(&services, &visitor, &error),
        };
    }
    match entered.one("desk").map(str::parse::<DestinationId>) {
        Some(Ok(desk)) => match services.replay_all(&desk).await {
            Ok(_) => back(desk.as_str()),
            Err(error) => unavailable(&services, &visitor, &error),
        },
        _ => bad_request(&services, &visitor, visitor.language.t("delivery.which").to_owned()),
    }
}
