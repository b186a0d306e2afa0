//! What departments answer to a delivery over MQTT: the task that turns it into orders.

use super::desk::{Desk, OrderError};
use crate::api::ActionBody;
use crate::case::action::{Action, Order};
use crate::delivery::Answered;
use tokio::sync::mpsc;

/// Answers that wait; more at once are lost, and said to be.
pub(crate) const QUEUE: usize = 256;

/// Acts on answers until deliveries are gone.
pub(crate) async fn run(desk: Desk, mut answers: mpsc::Receiver<Answered>) {
    while let Some(answer) = answers.recv().await {
        let (destination, key) = (answer.destination.clone(), answer.key.clone());
        match act(&desk, answer).await {
            Ok(()) => tracing::info!(%destination, key, "a department has answered"),
            Err(why) => tracing::warn!(%destination, key, why, "what a department answered was not followed"),
        }
    }
}

async fn act(desk: &Desk, answer: Answered) -> Result<(), String> {
    let row = desk.store.delivery(&answer.key).await.map_err(|error| error.to_string())?;
    // Only whoever was sent a delivery may answer it.
    let row = row
        .filter(|row| row.delivery.destination == answer.destination)
        .ok_or("there is no such delivery")?;
    let order = if answer.body.iter().all(u8::is_ascii_whitespace) {
        Order {
            action: Action::Accept,
            by: row.department.to_string(),
            department: Some(row.department.clone()),
            reason: "answered over MQTT".to_owned(),
        }
    } else {
        let body: ActionBody = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        // The broker has let the department in; what it says of who acts there is its own word.
        let by = body.by.clone().filter(|by| !by.trim().is_empty());
        let by = by.unwrap_or_else(|| row.department.to_string());
        let order = body.into_order(by).map_err(|problem| problem.detail().to_owned())?;
        Order { department: order.department.or(Some(row.department.clone())), ..order }
    };
    match desk.act(&row.delivery.case, &order, None, |_| None).await {
        Ok(_) => Ok(()),
        Err(OrderError::Store(error)) => {
            desk.metrics.store_failed(&error);
            Err(error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}
