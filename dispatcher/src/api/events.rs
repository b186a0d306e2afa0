//! Changes as they happen: server-sent events.

use crate::services::{Change, Services};
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, StreamExt};
use std::convert::Infallible;
use std::time::Duration;
use tokio_stream::wrappers::BroadcastStream;

/// A silent stream says that it lives this often, so that proxies do not cut it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A stream ends after this long, and the browser asks for it again: somebody who has been shut out hears no more then.
const STREAM_FOR: Duration = Duration::from_secs(300);

/// `case`, `delivery` and `camera` events with JSON data; `missed` tells a listener that fell behind to read again.
pub(super) async fn events(
    State(services): State<Services>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = BroadcastStream::new(services.subscribe());
    let events =
        changes.map(|change| Ok(change.map_or_else(|missed| missed_event(&missed), |change| event(&change))));
    let events = events.take_until(tokio::time::sleep(STREAM_FOR));
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn event(change: &Change) -> Event {
    let name = match change {
        Change::Case { .. } => "case",
        Change::Delivery { .. } => "delivery",
        Change::Camera { .. } => "camera",
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
