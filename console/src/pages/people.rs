//! What the pages of people share: words for what was refused.

use crate::i18n::Language;
use axum::http::StatusCode;
use citybrain_dispatcher::people::{PeopleError, Permission, Role};

/// Why something was not done, in the visitor's language, and the status that says so. `None` where the store is silent.
pub fn refusal(language: Language, error: &PeopleError) -> Option<(StatusCode, String)> {
    let said = |status: StatusCode, words: String| Some((status, words));
    match error {
        PeopleError::Refused(why) => said(why.status(), language.name("people.why", why.code())),
        PeopleError::Wrong => said(StatusCode::UNAUTHORIZED, language.t("people.wrong").to_owned()),
        PeopleError::Wait(wait) => {
            let words = language.fill("people.wait", &[("secs", &wait.as_secs().max(1))]);
            said(StatusCode::TOO_MANY_REQUESTS, words)
        }
        PeopleError::Busy | PeopleError::NoRandom(_) => {
            said(StatusCode::SERVICE_UNAVAILABLE, language.t("people.busy").to_owned())
        }
        PeopleError::Forbidden(what) => said(StatusCode::FORBIDDEN, (*what).to_owned()),
        PeopleError::Unknown(_) => said(StatusCode::NOT_FOUND, language.t("people.unknown").to_owned()),
        PeopleError::Taken => said(StatusCode::CONFLICT, language.t("people.taken").to_owned()),
        PeopleError::Store(_) => None,
    }
}

/// What people call a role.
pub fn role_name(language: Language, role: Role) -> String {
    language.name("people.role", role.name())
}

/// What people call a permission.
pub fn permission_name(language: Language, permission: Permission) -> String {
    language.name("people.may", permission.name())
}
