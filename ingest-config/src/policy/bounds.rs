//! Bounds of the numbers, as the schema of the configuration states them: one source for both.

use crate::raw::{RawDispatch, RawEvidence, RawKind};
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Smallest and largest value by key.
pub(super) struct Bounds(BTreeMap<String, (f64, f64)>);

impl Bounds {
    /// Of the keys of `[kinds.evidence]`, `[[kinds]]` and `[dispatch]` that a policy may set.
    pub(super) fn of_catalogue() -> &'static Self {
        static BOUNDS: LazyLock<Bounds> = LazyLock::new(Bounds::read);
        &BOUNDS
    }

    fn read() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let mut generator = settings.into_generator();
        let schemas = [
            generator.root_schema_for::<RawDispatch>().to_value(),
            generator.root_schema_for::<RawKind>().to_value(),
            generator.root_schema_for::<RawEvidence>().to_value(),
        ];
        let mut bounds = BTreeMap::new();
        for schema in &schemas {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let bound = |name: &str| property.get(name).and_then(Value::as_f64);
                if let (Some(least), Some(most)) = (bound("minimum"), bound("maximum")) {
                    bounds.insert(key.clone(), (least, most));
                }
            }
        }
        Self(bounds)
    }

    /// What is wrong with a value; a key without bounds takes none.
    pub(super) fn fault(&self, key: &str, value: f64) -> Option<String> {
        let (least, most) = self.0.get(key).copied()?;
        let fits = value.is_finite() && (least..=most).contains(&value);
        (!fits).then(|| format!("is {value}, and must be from {least} to {most}"))
    }
}
