//! The review queue: one keystroke a verdict, and the next item at once.

use super::{Choice, go_to, page};
use crate::orders::Entered;
use crate::pictures;
use crate::problem::{bad_request, not_found, unavailable};
use crate::rows::Writer;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::{Actor, Permission};
use citybrain_dispatcher::verdict::{Given, Item, Judgement, ReviewItem, Verdict, VerdictError};
use citybrain_types::EventKind;
use serde::Deserialize;
use url::form_urlencoded;

/// Items that are counted as waiting; more are "many".
const COUNTED: u32 = 100;
/// Pictures in the strip of a camera.
const STRIP: usize = 6;
/// The verdicts of the page, by their keys.
const VERDICTS: [(Verdict, &str, &str); 4] = [
    (Verdict::Real, "R", "main"),
    (Verdict::False, "F", "grave"),
    (Verdict::Duplicate, "D", ""),
    (Verdict::Unsure, "U", ""),
];

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/review", get(show).post(judge))
}

#[derive(Template)]
#[template(path = "review.html")]
struct ReviewPage {
    frame: Frame,
    kinds: Vec<Choice>,
    kind: String,
    waiting: String,
    item: Option<ItemRow>,
    undo: Option<Undo>,
    raced: Option<String>,
    skip: usize,
    void: bool,
    by: String,
}

struct ItemRow {
    item: String,
    version: u32,
    kind_name: String,
    camera: String,
    at: String,
    score: String,
    case: Option<String>,
    state: Option<(String, &'static str)>,
    /// How near it came, and for how many it stands, where it did not open.
    almost: Option<String>,
    pictures: Vec<String>,
    strip: Vec<String>,
    verdicts: Vec<Button>,
    can_void: bool,
}

struct Button {
    code: &'static str,
    key: &'static str,
    name: String,
    tone: &'static str,
}

struct Undo {
    item: String,
    version: u32,
    said: String,
}

/// What stands in the address.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct ReviewQuery {
    kind: String,
    item: String,
    /// So many of the queue are passed over.
    skip: usize,
    /// The item whose verdict was given last.
    done: String,
    void: String,
}

async fn show(
    State(services): State<Services>,
    visitor: Visitor,
    Query(query): Query<ReviewQuery>,
) -> Response {
    shown(&services, &visitor, &query, None, "").await
}

/// The page with an item of the queue, or the one that is asked for; `raced` is what somebody else has said of it.
async fn shown(
    services: &Services,
    visitor: &Visitor,
    query: &ReviewQuery,
    raced: Option<&Judgement>,
    by: &str,
) -> Response {
    let writer = Writer::new(services, visitor);
    let kind = (!query.kind.is_empty()).then(|| EventKind::new(&query.kind));
    let queue = match services.reviewer().queue(kind.as_ref(), COUNTED).await {
        Ok(queue) => queue,
        Err(error) => return unavailable(services, visitor, &error),
    };
    let waiting = match queue.len() {
        n if n >= COUNTED as usize => visitor.language.fill("review.many", &[("n", &n)]),
        n => visitor.language.fill("review.waiting", &[("n", &n)]),
    };
    let item = if query.item.is_empty() {
        queue.into_iter().nth(query.skip)
    } else {
        let Ok(name) = query.item.parse::<Item>() else {
            return not_found(services, visitor, visitor.language.t("review.no_item").to_owned());
        };
        match services.reviewer().item(&name).await {
            Ok(Some(item)) => Some(item),
            Ok(None) => return not_found(services, visitor, visitor.language.t("review.no_item").to_owned()),
            Err(error) => return unavailable(services, visitor, &error),
        }
    };
    let undo = match query.done.parse::<Item>() {
        Ok(name) => services.reviewer().item(&name).await.ok().flatten(),
        Err(_) => None,
    };
    let undo = undo.and_then(|done| {
        let judgement = done.judgement.as_ref()?;
        let camera = done.camera.as_ref().map_or("–", |camera| camera.as_str());
        let verdict = visitor.language.name("review.verdict", judgement.verdict.name());
        let values: [(&str, &dyn std::fmt::Display); 3] =
            [("verdict", &verdict), ("kind", &writer.kind(&done.kind)), ("camera", &camera)];
        Some(Undo {
            item: done.item.clone(),
            version: done.version,
            said: visitor.language.fill("review.said", &values),
        })
    });
    let raced = raced.map(|first| {
        let verdict = visitor.language.name("review.verdict", first.verdict.name());
        let values: [(&str, &dyn std::fmt::Display); 2] = [("by", &first.by), ("verdict", &verdict)];
        visitor.language.fill("review.raced", &values)
    });
    let item = match item {
        Some(item) => Some(row(services, &writer, item).await),
        None => None,
    };
    page(&ReviewPage {
        frame: Frame::new(services, visitor, "review"),
        kinds: writer
            .kinds()
            .filter(|(kind, _)| kind.as_str() != EventKind::CAMERA_FAULT)
            .map(|(kind, name)| Choice::new(kind.as_str(), name, &query.kind))
            .collect(),
        kind: query.kind.clone(),
        waiting,
        item,
        undo,
        raced,
        skip: query.skip + 1,
        void: !query.void.is_empty(),
        by: by.to_owned(),
    })
}

async fn row(services: &Services, writer: &Writer, item: ReviewItem) -> ItemRow {
    let camera = item.camera.as_ref();
    let strip = match camera {
        Some(camera) => pictures::last_of(services.snapshot_root(), camera.clone(), STRIP).await,
        None => Vec::new(),
    };
    let almost = item.candidate.as_ref().map(|candidate| {
        let percent = format!("{:.0}", candidate.share * 100.0);
        let values: [(&str, &dyn std::fmt::Display); 2] = [("percent", &percent), ("n", &candidate.one_in)];
        writer.language.fill("review.almost", &values)
    });
    ItemRow {
        version: item.version,
        kind_name: writer.kind(&item.kind),
        camera: camera.map_or_else(|| "–".to_owned(), ToString::to_string),
        at: writer.time.show(item.at),
        score: format!("{:.0} %", item.score * 100.0),
        case: item.case.as_ref().map(|case| case.id.to_string()),
        state: item.case.as_ref().map(|case| (writer.state(case.state), crate::rows::state_tone(case.state))),
        can_void: item.case.as_ref().is_some_and(|case| {
            citybrain_dispatcher::case::action::allowed(case).contains(&citybrain_types::CaseAction::Void)
        }),
        almost,
        pictures: item.pictures.iter().map(ToString::to_string).collect(),
        strip: strip.iter().map(ToString::to_string).collect(),
        verdicts: VERDICTS
            .iter()
            .map(|(verdict, key, tone)| Button {
                code: verdict.name(),
                key,
                name: writer.language.name("review.verdict", verdict.name()),
                tone,
            })
            .collect(),
        item: item.item,
    }
}

async fn judge(State(services): State<Services>, visitor: Visitor, actor: Actor, body: Bytes) -> Response {
    let entered = Entered::read(&body);
    let text = |name: &str| entered.one(name).unwrap_or_default().to_owned();
    let by = match actor.by(entered.one("by")) {
        Ok(by) => by,
        Err(problem) => return bad_request(&services, &visitor, problem.detail().to_owned()),
    };
    let query = ReviewQuery {
        kind: text("kind"),
        void: text("void"),
        skip: text("skip").parse().unwrap_or(0),
        ..ReviewQuery::default()
    };
    let item = text("item").parse::<Item>();
    let (Ok(item), Some(verdict)) = (item, Verdict::from_name(&text("verdict"))) else {
        return bad_request(&services, &visitor, visitor.language.t("review.no_item").to_owned());
    };
    let given = Given {
        verdict,
        by: by.clone(),
        note: text("note"),
        seen: text("seen").parse().unwrap_or(0),
        void: !query.void.is_empty() && actor.may(Permission::Act),
        item: item.clone(),
    };
    match services.reviewer().judge(&given).await {
        Ok((judgement, _)) => {
            let mut back = form_urlencoded::Serializer::new(String::new());
            back.append_pair("kind", &query.kind);
            if judgement.verdict == Verdict::Withdrawn {
                back.append_pair("item", &item.to_string());
            } else {
                back.append_pair("done", &item.to_string());
            }
            if !query.void.is_empty() {
                back.append_pair("void", "1");
            }
            go_to(&format!("/review?{}", back.finish()))
        }
        Err(VerdictError::Raced(first)) => {
            let query = ReviewQuery { item: item.to_string(), ..query };
            let shown = shown(&services, &visitor, &query, Some(&first), &by).await;
            (StatusCode::CONFLICT, shown).into_response()
        }
        Err(VerdictError::Store(error)) => unavailable(&services, &visitor, &error),
        Err(error @ VerdictError::Unknown(_)) => not_found(&services, &visitor, error.to_string()),
        Err(error) => bad_request(&services, &visitor, error.to_string()),
    }
}
