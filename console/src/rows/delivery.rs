//! A delivery on a page.

use super::Writer;
use citybrain_types::{Delivery, DeliveryState};

/// A delivery on a page.
pub struct DeliveryRow {
    pub key: String,
    pub case: String,
    pub version: u32,
    pub destination: String,
    pub state: String,
    pub dead: bool,
    pub tone: &'static str,
    pub attempts: u32,
    pub created: String,
    pub delivered: String,
    pub error: String,
}

impl DeliveryRow {
    pub fn new(delivery: &Delivery, writer: &Writer) -> Self {
        let tone = match delivery.state {
            DeliveryState::Delivered => "good",
            DeliveryState::Pending => "warn",
            DeliveryState::Dead => "alarm",
        };
        let delivered = match (delivery.delivered_at, delivery.next_attempt_at) {
            (Some(at), _) => writer.time.show(at),
            (None, Some(at)) => writer.language.fill("delivery.next_try", &[("at", &writer.time.show(at))]),
            (None, None) => "–".to_owned(),
        };
        Self {
            key: delivery.key.clone(),
            case: delivery.case.to_string(),
            version: delivery.case_version,
            destination: delivery.destination.to_string(),
            state: writer.language.name("delivery.state", delivery.state.name()),
            dead: delivery.state == DeliveryState::Dead,
            tone,
            attempts: delivery.attempts,
            created: writer.time.show(delivery.created_at),
            delivered,
            error: delivery.last_error.clone().unwrap_or_default(),
        }
    }
}
