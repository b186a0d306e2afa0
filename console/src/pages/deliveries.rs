//! Deliveries and dead letters.

use super::page;
use crate::problem::unavailable;
use crate::rows::{DeliveryRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use citybrain_dispatcher::{DeliveryFilter, PageRequest, Services};

/// Rows on a page.
const PAGE: u32 = 100;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/deliveries", get(deliveries))
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    frame: Frame,
    deliveries: Vec<DeliveryRow>,
}

async fn deliveries(State(services): State<Services>, visitor: Visitor) -> Response {
    let found = services.deliveries(&DeliveryFilter::default(), &PageRequest::new(Some(PAGE), None)).await;
    let found = match found {
        Ok(found) => found,
        Err(error) => return unavailable(&services, &visitor, &error),
    };
    let writer = Writer::new(&services, &visitor);
    page(&DeliveriesPage {
        frame: Frame::new(&services, &visitor, "deliveries"),
        deliveries: found.deliveries.iter().map(|delivery| DeliveryRow::new(delivery, &writer)).collect(),
    })
}
