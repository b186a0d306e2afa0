//! Do the labels of the loaded models fit the event catalogue, and each other?

use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Kind;
use citybrain_types::{EventKind, Label};
use std::collections::BTreeSet;
use std::fmt;

/// A label or a kind without its counterpart. Neither stops the city; both are worth a line at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// A model scores it, and no kind of the catalogue listens to it.
    UnheardLabel(Label),
    /// Cameras are to look for it, and no loaded model scores any of its labels: it will never be found.
    UnscoredKind {
        /// The kind.
        kind: EventKind,
        /// Labels it listens to.
        labels: BTreeSet<Label>,
    },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnheardLabel(label) => write!(
                f,
                "no kind listens to label '{label}': add it to the labels of a kind, or it is computed for nothing"
            ),
            Self::UnscoredKind { kind, labels } => {
                let labels: Vec<&str> = labels.iter().map(Label::as_str).collect();
                write!(
                    f,
                    "no model scores kind '{kind}' (labels {}): add a model that does, or no camera will ever find it",
                    labels.join(", ")
                )
            }
        }
    }
}

/// Compares the labels of all loaded models with the city's catalogue.
///
/// A kind that no camera looks for, or that listens to no label (`camera_fault` is found without a model), is no gap.
#[must_use]
pub fn gaps<'l>(city: &City, labels: impl IntoIterator<Item = &'l Label>) -> Vec<Gap> {
    let scored: BTreeSet<&Label> = labels.into_iter().collect();
    let heard: BTreeSet<&Label> = city.kinds.values().flat_map(|kind| &kind.labels).collect();
    let wanted: BTreeSet<&EventKind> = city.cameras.values().flat_map(|camera| &camera.kinds).collect();
    let unheard = scored.difference(&heard).map(|label| Gap::UnheardLabel((*label).clone()));
    let unscored = city
        .kinds
        .values()
        .filter(|kind| wanted.contains(&kind.kind) && !kind.labels.is_empty())
        .filter(|kind| !kind.labels.iter().any(|label| scored.contains(label)))
        .map(|kind| Gap::UnscoredKind { kind: kind.kind.clone(), labels: kind.labels.clone() });
    unheard.chain(unscored).collect()
}

/// A model that waits for what another one finds, and that cannot be concerned by anything the other can find: it would
/// cost memory and never answer, and somebody relies on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "model '{model}' is asked after '{after}', but no kind of the catalogue listens to both: give the models a label or a kind in common, or leave 'after' out"
)]
pub struct NeverAsked {
    /// The model that waits.
    pub model: String,
    /// The model it waits for.
    pub after: String,
}

/// The cascades that share no kind, given the labels of each of the city's models in their order.
#[must_use]
pub fn never_asked(city: &City, labels: &[&[Label]]) -> Vec<NeverAsked> {
    let speaks = |model: usize, kind: &Kind| {
        let labels = labels.get(model).copied().unwrap_or_default();
        city.models[model].speaks_to(&kind.kind) && labels.iter().any(|label| kind.labels.contains(label))
    };
    let mut never = Vec::new();
    for (index, model) in city.models.iter().enumerate() {
        let Some(after) = model.cascade().map(|cascade| cascade.after) else { continue };
        let Some(other) = city.models.get(after) else { continue };
        if !city.kinds.values().any(|kind| speaks(index, kind) && speaks(after, kind)) {
            never.push(NeverAsked { model: model.name.clone(), after: other.name.clone() });
        }
    }
    never
}
