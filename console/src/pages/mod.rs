//! One file a page: it asks the services and fills its template. Each has `routes()`, merged in `lib.rs`.

pub mod account;
pub mod alarms;
pub mod audit;
pub mod cameras;
pub mod case;
pub mod cases;
pub mod deliveries;
pub mod map;
pub mod people;
pub mod policies;
pub mod reports;
pub mod review;
pub mod sign_in;
pub mod system;
pub mod tuner;
pub mod users;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Sends the browser there, to be asked for with GET: what a form that was followed answers.
pub fn go_to(place: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place.to_owned())]).into_response()
}

/// Renders a template; a template that fails is a defect of ours and says so.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be rendered; the log says why")
                .into_response()
        }
    }
}

/// One of the choices of a field.
pub struct Choice {
    /// What is sent.
    pub code: String,
    /// What is shown.
    pub name: String,
    /// Whether it is chosen now.
    pub chosen: bool,
}

impl Choice {
    /// Chosen when its code is.
    pub fn new(code: &str, name: &str, chosen: &str) -> Self {
        Self { code: code.to_owned(), name: name.to_owned(), chosen: code == chosen }
    }
}

/// A figure above a list.
pub struct Count {
    /// Of what.
    pub name: String,
    /// How many.
    pub value: u64,
}
