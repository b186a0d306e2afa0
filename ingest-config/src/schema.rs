//! The JSON Schema of the file, for editors and for the shape check.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::raw::RawCity;

/// JSON Schema (draft 2020-12) of `citybrain.toml`, indented, with a line break at its end.
#[must_use]
pub fn schema_json() -> String {
    let mut text = format!("{:#}", schema());
    text.push('\n');
    text
}

/// The schema with its references written out is a tree; the file's schema keeps them.
pub(crate) fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<RawCity>().to_value();
    without_null(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), Value::from("citybrain.toml"));
    }
    schema
}

/// The schema as a tree without references.
pub(crate) fn inlined_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<RawCity>().to_value();
    without_null(&mut schema);
    schema
}

/// TOML has no null: what may be left out is not `null` when it is there.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(mut options)) = object.remove("anyOf") {
                options.retain(|option| option.get("type").is_none_or(|name| name != "null"));
                match options.pop() {
                    // The description of the key comes before that of its type.
                    Some(Value::Object(only)) if options.is_empty() => {
                        for (key, value) in only {
                            object.entry(key).or_insert(value);
                        }
                    }
                    last => {
                        options.extend(last);
                        object.insert("anyOf".to_owned(), Value::Array(options));
                    }
                }
            }
            // What a default leaves out would otherwise stand in it as null.
            object.values_mut().for_each(without_null);
            if let Some(Value::Object(default)) = object.get_mut("default") {
                default.retain(|_, value| !value.is_null());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
