//! What shape a value must have: the JSON Schema of the file, compiled once into a tree that is quick to walk.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A table with known keys.
    Table(TableShape),
    /// A table whose keys are names of something.
    Map(Box<Shape>),
    /// A list.
    List { item: Box<Shape>, min: usize, max: usize },
    /// Text of so many characters.
    Text { min: usize, max: usize },
    /// One of some words.
    Choice(Vec<Choice>),
    /// A whole number.
    Integer { min: i64, max: i64 },
    /// A number.
    Number { min: f64, max: f64 },
    /// `true` or `false`.
    Boolean,
}

/// One word of a choice and what it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub word: String,
    pub description: String,
}

/// The keys of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TableShape {
    pub fields: BTreeMap<String, Field>,
    /// What the table is, from the docs of its type.
    pub description: String,
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub shape: Shape,
    pub required: bool,
    pub description: String,
    pub default: Option<Value>,
}

/// The shape of the whole file.
pub(crate) fn file_shape() -> &'static TableShape {
    static SHAPE: OnceLock<TableShape> = OnceLock::new();
    SHAPE.get_or_init(|| table(&crate::schema::inlined_schema()))
}

impl Shape {
    /// What a person is told to write here.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Table(_) | Self::Map(_) => "a table".to_owned(),
            Self::List { .. } => "a list".to_owned(),
            Self::Text { .. } => "text in quotes".to_owned(),
            Self::Choice(choices) => {
                let words: Vec<String> =
                    choices.iter().map(|choice| format!("\"{}\"", choice.word)).collect();
                words.join(" or ")
            }
            Self::Integer { .. } => "a whole number".to_owned(),
            Self::Number { .. } => "a number".to_owned(),
            Self::Boolean => "true or false".to_owned(),
        }
    }
}

fn table(schema: &Value) -> TableShape {
    let required: Vec<&str> = list(schema, "required").iter().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    let fields = properties.into_iter().flatten().map(|(name, property)| {
        let field = Field {
            shape: shape(property),
            required: required.contains(&name.as_str()),
            description: text(property, "description"),
            default: property.get("default").cloned(),
        };
        (name.clone(), field)
    });
    TableShape { fields: fields.collect(), description: text(schema, "description") }
}

fn shape(schema: &Value) -> Shape {
    if schema.get("oneOf").is_some() || schema.get("enum").is_some() {
        return Shape::Choice(choices(schema));
    }
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let length = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    match schema.get("type").and_then(Value::as_str) {
        Some("object") if schema.get("properties").is_some() => Shape::Table(table(schema)),
        Some("object") => {
            Shape::Map(Box::new(shape(schema.get("additionalProperties").unwrap_or(&Value::Null))))
        }
        Some("array") => Shape::List {
            item: Box::new(shape(schema.get("items").unwrap_or(&Value::Null))),
            min: length("minItems").unwrap_or(0),
            max: length("maxItems").unwrap_or(usize::MAX),
        },
        Some("integer") => Shape::Integer {
            min: schema.get("minimum").and_then(Value::as_i64).unwrap_or(0),
            max: schema.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX),
        },
        Some("number") => Shape::Number {
            min: number("minimum").unwrap_or(f64::MIN),
            max: number("maximum").unwrap_or(f64::MAX),
        },
        Some("boolean") => Shape::Boolean,
        // Text is the one shape left; a test holds the schema to the shapes above.
        _ => Shape::Text {
            min: length("minLength").unwrap_or(0),
            max: length("maxLength").unwrap_or(usize::MAX),
        },
    }
}

fn choices(schema: &Value) -> Vec<Choice> {
    let described = list(schema, "oneOf").iter().filter_map(|option| {
        let word = option.get("const").and_then(Value::as_str)?;
        Some(Choice { word: word.to_owned(), description: text(option, "description") })
    });
    let bare = list(schema, "enum").iter().filter_map(Value::as_str);
    described.chain(bare.map(|word| Choice { word: word.to_owned(), description: String::new() })).collect()
}

fn list<'a>(schema: &'a Value, key: &str) -> &'a [Value] {
    schema.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A description with its line breaks taken out, since they are those of the source code.
fn text(schema: &Value, key: &str) -> String {
    let text = schema.get(key).and_then(Value::as_str).unwrap_or_default();
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggestion::UNITS;

    fn each_field(table: &TableShape, path: &str, visit: &mut impl FnMut(&str, &Field)) {
        for (name, field) in &table.fields {
            let path = format!("{path}.{name}");
            visit(&path, field);
            let mut inner = &field.shape;
            while let Shape::List { item, .. } | Shape::Map(item) = inner {
                inner = item;
            }
            if let Shape::Table(table) = inner {
                each_field(table, &path, visit);
            }
        }
    }

    #[test]
    fn every_key_says_what_it_is() {
        each_field(file_shape(), "", &mut |path, field| {
            assert!(!field.description.is_empty(), "{path} has no docs");
        });
    }

    #[test]
    fn every_number_has_bounds_and_its_unit_in_its_name() {
        let without_unit = [
            "hit_score",
            "log_floor",
            "open_at",
            "close_at",
            "max",
            "hits_needed",
            "looks_counted",
            "workers",
            "concurrent_deliveries",
            "join_distance",
            "after_score",
            "crop",
            "yellow_at",
            "red_card_points",
            "escalation_points",
            "recheck_looks",
            "min_size",
            "alarm_at",
            "score",
            "storm_cases",
            "cases_per_camera_and_day",
            "polled_connections",
            "change_nats",
            "raises_nats",
            "repeats_at_most",
            "readers",
            "log_retention_days",
            "picture_link_days",
        ];
        each_field(file_shape(), "", &mut |path, field| {
            let bounded = match &field.shape {
                Shape::Integer { max, .. } => *max < i64::MAX,
                Shape::Number { max, .. } => *max < f64::MAX,
                _ => return,
            };
            let name = path.rsplit('.').next().unwrap();
            assert!(bounded, "{path} has no upper bound");
            let has_unit = UNITS.iter().any(|(suffix, _)| name.ends_with(suffix));
            assert!(has_unit != without_unit.contains(&name), "{path} needs a unit in its name");
        });
    }

    #[test]
    fn the_schema_holds_nothing_but_known_shapes() {
        let mut kinds = std::collections::BTreeSet::new();
        fn walk(value: &Value, kinds: &mut std::collections::BTreeSet<String>) {
            match value {
                Value::Object(object) => {
                    for key in [
                        "anyOf",
                        "allOf",
                        "$ref",
                        "if",
                        "patternProperties",
                        "prefixItems",
                        "exclusiveMinimum",
                    ] {
                        assert!(!object.contains_key(key), "the shape check does not know {key}: {value}");
                    }
                    if let Some(Value::String(kind)) = object.get("type") {
                        kinds.insert(kind.clone());
                    }
                    object.values().for_each(|v| walk(v, kinds));
                }
                Value::Array(items) => items.iter().for_each(|v| walk(v, kinds)),
                _ => {}
            }
        }
        walk(&crate::schema::inlined_schema(), &mut kinds);
        let known = ["array", "boolean", "integer", "number", "object", "string"];
        assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), known);
    }
}
