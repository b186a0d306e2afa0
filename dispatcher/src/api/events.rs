//! Changes as they happen: server-sent events.

use super::Problem;
use crate::people::Actor;
use crate::seats::Seat;
use crate::services::{Change, Services};
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures::{Stream, StreamExt};
use std::convert::Infallible;
use std::time::Duration;
use tokio_stream::wrappers::BroadcastStream;

/// A silent stream says that it lives this often, so that proxies do not cut it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A stream ends after this long, and the browser asks for it again: somebody who has been shut out hears no more then.
const STREAM_FOR: Duration = Duration::from_secs(300);

/// A browser that found no seat asks again after this.
const ASK_AGAIN_SECS: u32 = 15;

/// `case`, `delivery`, `camera` and `policy` events with JSON data; `missed` tells a listener that fell behind to read again.
/// Whoever comes when every seat is taken is told so and harms nobody else.
pub(super) async fn events(State(services): State<Services>, actor: Option<Extension<Actor>>) -> Response {
    let person = actor.map(|Extension(actor)| actor.user).unwrap_or_default();
    match services.stream_seat(&person) {
        Ok(seat) => stream(&services, seat).into_response(),
        Err(full) => {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, full.to_string());
            ([(header::RETRY_AFTER, ASK_AGAIN_SECS)], problem).into_response()
        }
    }
}

fn stream(services: &Services, seat: Seat) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let changes = BroadcastStream::new(services.subscribe());
    let events =
        changes.map(|change| Ok(change.map_or_else(|missed| missed_event(&missed), |change| event(&change))));
    let events = events.take_until(tokio::time::sleep(STREAM_FOR)).map(move |event| {
        // Held as long as the stream is.
        let _ = &seat;
        event
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn event(change: &Change) -> Event {
    let name = match change {
        Change::Case { .. } => "case",
        Change::Delivery { .. } => "delivery",
        Change::Camera { .. } => "camera",
        Change::Policy { .. } => "policy",
    };
    Event::default()
        .event(name)
        .json_data(change)
        .unwrap_or_else(|_| Event::default().event("missed").data("1"))
}

fn missed_event(missed: &tokio_stream::wrappers::errors::BroadcastStreamRecvError) -> Event {
    let tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged(count) = missed;
    Event::default().event("missed").data(count.to_string())
}
