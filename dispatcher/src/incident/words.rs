//! The reasons of an incident in words, for people.

use super::{Reason, What};
use crate::evidence::MicroNats;

impl Reason {
    /// What happened, in a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { camera, sequence, what, .. } = self;
        match what {
            What::Crossed { score, change, evidence_micronats, open_at_micronats, hits, looks_counted } => {
                let changed = change.map_or_else(String::new, |change| {
                    format!(", {:.0} % other than the camera's past", change * 100.0)
                });
                format!(
                    "{camera}, frame {sequence}: score {score:.2}{changed}, {hits} of {looks_counted} looks; evidence {} crossed {}",
                    nats(*evidence_micronats),
                    nats(*open_at_micronats)
                )
            }
            What::Corroborated { distance_m, counts } => {
                let away = distance_m.map_or_else(String::new, |metres| format!(" {metres:.0} m away"));
                let counts =
                    if *counts { "" } else { "; it hangs where another witness does and does not count" };
                format!("{camera}, frame {sequence}: sees it, too{away}{counts}")
            }
            What::Heard { confirmed, weight_micronats, second_micronats, witnesses } => {
                let end = if *confirmed { "confirmed" } else { "withdrawn" };
                let second = second_micronats.map_or_else(
                    || "nobody was asked".to_owned(),
                    |second| format!("the model asked says {}", nats(second)),
                );
                format!("{end}: {} in all, {second}, {witnesses} other witnesses", nats(*weight_micronats))
            }
            What::Refused => "a person said that it is no case".to_owned(),
        }
    }
}

/// Log-odds for people, to the hundredth.
fn nats(micro: MicroNats) -> String {
    format!("{:+.2} nats", micro.micros() as f64 / 1e6)
}
