//! In which form Open311 is answered: JSON or XML, as the end of the address says.
//!
//! Format: <https://wiki.open311.org/GeoReport_v2/>. A list of rows is a JSON array, or an XML element around one element
//! for each row with an element for each of its fields; what a row does not have is an empty element.

use crate::cap::escaped;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// Media type of the XML form.
pub(super) const XML: &str = "text/xml; charset=utf-8";

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Xml,
}

impl Form {
    /// The form that an address asks for; JSON where it does not say.
    pub(super) fn of(uri: &Uri) -> Self {
        if uri.path().ends_with(".xml") { Self::Xml } else { Self::Json }
    }

    /// An answer of rows, in an element `list` with an element `row` for each.
    pub(super) fn answer<T: Serialize>(
        self,
        status: StatusCode,
        (list, row): (&str, &str),
        rows: &[T],
    ) -> Response {
        let values: Result<Vec<Value>, _> = rows.iter().map(serde_json::to_value).collect();
        let Ok(values) = values else {
            tracing::error!("an answer of Open311 cannot be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        match self {
            Self::Json => (status, axum::Json(values)).into_response(),
            Self::Xml => {
                let media = HeaderValue::from_static(XML);
                (status, [(header::CONTENT_TYPE, media)], xml((list, row), &values)).into_response()
            }
        }
    }
}

fn xml((list, row): (&str, &str), rows: &[Value]) -> String {
    let mut text = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<{list}>\n");
    for fields in rows {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  <{row}>");
        for (name, value) in fields.as_object().into_iter().flatten() {
            let _ = match value {
                Value::Null => writeln!(text, "    <{name}/>"),
                Value::String(words) => writeln!(text, "    <{name}>{}</{name}>", escaped(words)),
                other => writeln!(text, "    <{name}>{}</{name}>", escaped(&other.to_string())),
            };
        }
        let _ = writeln!(text, "  </{row}>");
    }
    let _ = writeln!(text, "</{list}>");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_an_element_of_its_fields_and_markup_in_them_is_text() {
        let rows = [serde_json::json!({"code": 400, "lat": null, "words": "<b>&\u{1}"})];
        let text = xml(("errors", "error"), &rows);
        let expected = "<errors>\n  <error>\n    <code>400</code>\n    <lat/>\n    \
            <words>&lt;b&gt;&amp; </words>\n  </error>\n</errors>\n";
        assert_eq!(text.split_once("?>\n").unwrap().1, expected);
    }
}
