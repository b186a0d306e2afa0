//! Users: made, promoted, shut out.

use super::people::{refusal, role_name};
use super::{Choice, page};
use crate::local_time::LocalTime;
use crate::orders::Entered;
use crate::problem::unavailable;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::{PeopleError, Role, User, one_time_password};

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/users", get(users).post(add)).route("/users/{id}", post(change))
}

struct UserRow {
    id: String,
    name: String,
    roles: Vec<Choice>,
    role: String,
    disabled: bool,
    outside: bool,
    since: String,
    changed: String,
}

/// A password that was made, to be told to its user.
struct Made {
    name: String,
    password: String,
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    frame: Frame,
    users: Vec<UserRow>,
    roles: Vec<Choice>,
    fault: Option<String>,
    made: Option<Made>,
}

fn roles(visitor: &Visitor, chosen: Role) -> Vec<Choice> {
    let choice = |role: &Role| Choice::new(role.name(), &role_name(visitor.language, *role), chosen.name());
    Role::ALL.iter().map(choice).collect()
}

fn row(visitor: &Visitor, time: &LocalTime, user: User) -> UserRow {
    UserRow {
        roles: roles(visitor, user.role),
        role: role_name(visitor.language, user.role),
        disabled: user.disabled,
        outside: user.outside,
        since: time.show(user.created_at),
        changed: time.show(user.changed_at),
        id: user.id,
        name: user.name,
    }
}

async fn users(State(services): State<Services>, visitor: Visitor) -> Response {
    show(&services, &visitor, None, None).await
}

async fn show(services: &Services, visitor: &Visitor, fault: Option<String>, made: Option<Made>) -> Response {
    let users = match services.people().users().await {
        Ok(users) => users,
        Err(error) => return unavailable(services, visitor, &error),
    };
    let time = LocalTime::of(&services.site().time_zone);
    page(&UsersPage {
        frame: Frame::new(services, visitor, "users"),
        users: users.into_iter().map(|user| row(visitor, &time, user)).collect(),
        roles: roles(visitor, Role::Operator),
        fault,
        made,
    })
}

async fn answer(services: &Services, visitor: &Visitor, done: Result<Option<Made>, PeopleError>) -> Response {
    match done {
        Ok(made) => show(services, visitor, None, made).await,
        Err(error) => match refusal(visitor.language, &error) {
            Some((status, words)) => {
                (status, show(services, visitor, Some(words), None).await).into_response()
            }
            None => unavailable(services, visitor, &error),
        },
    }
}

async fn add(State(services): State<Services>, visitor: Visitor, body: Bytes) -> Response {
    let entered = Entered::read(&body);
    let name = entered.one("name").unwrap_or_default();
    let role = entered.one("role").and_then(Role::from_name).unwrap_or(Role::Viewer);
    let made = async {
        let password = one_time_password()?;
        let user = services.people().add_user(name, role, &password).await?;
        Ok(Some(Made { name: user.name, password }))
    };
    let made = made.await;
    let created = made.is_ok();
    let response = answer(&services, &visitor, made).await;
    if created { (StatusCode::CREATED, response).into_response() } else { response }
}

/// One form a user: which button was pressed says what is changed.
async fn change(
    State(services): State<Services>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let entered = Entered::read(&body);
    let people = services.people();
    let changed = match entered.one("do") {
        Some("role") => {
            let role = entered.one("role").and_then(Role::from_name);
            people.change_user(&id, role, None, None).await.map(|_| None)
        }
        Some("disable") => people.change_user(&id, None, Some(true), None).await.map(|_| None),
        Some("enable") => people.change_user(&id, None, Some(false), None).await.map(|_| None),
        Some("reset") => {
            let reset = async {
                let password = one_time_password()?;
                let user = people.change_user(&id, None, None, Some(&password)).await?;
                Ok(Some(Made { name: user.name, password }))
            };
            reset.await
        }
        _ => Ok(None),
    };
    answer(&services, &visitor, changed).await
}
