//! The OpenAPI 3.1 document of the API, made from the types that are read and written.

mod policies;

use super::actions::ActionBody;
use super::appraisal::Form;
use super::cases::{Cameras, Kinds, Replayed};
use super::open311::{Posted, Request as GeoRequest, Service as GeoService};
use super::people::{
    AuditPage, MadeToken, MadeUser, Me, TokenBody, Tokens, UserBody, UserChangeBody, UserList,
};
use super::problem::Problem;
use super::reports::{ReportBody, Reported};
use super::silences::{EndBody, SilenceBody, SilenceView, Silences};
use crate::appraisal::{Appraisal, PeriodKind};
use crate::people::audit::Verdict;
use crate::people::gate::Who;
use crate::services::Services;
use crate::services::{CaseView, Readiness};
use crate::silence::SilenceState;
use crate::store::{CasePage, DeliveryPage, MAX_PAGE};
use axum::Json;
use axum::extract::State;
use citybrain_types::{Case, CaseId, CaseState, Delivery, DeliveryState, DestinationId};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// `If-Match`: any version, or one, with or without the hash behind it.
const ETAG_PATTERN: &str = "^([*]|(W/)?\"[0-9]{1,9}(-[0-9a-f]{0,16})?\")$";
/// A picture's place: parts of ids with a slash between.
const PICTURE_PATTERN: &str = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}){0,5}$";
/// Media type of problems.
const PROBLEM: &str = "application/problem+json";

/// `GET /api/v1/openapi.json`.
pub(super) async fn document(State(services): State<Services>) -> Json<Value> {
    let mut document = openapi();
    // Which kinds there are is the city's to say, not the program's.
    let kinds: Vec<_> = services.kinds().into_iter().map(|kind| kind.kind).collect();
    document["components"]["schemas"]["ReportBody"]["properties"]["kind"]["enum"] = json!(kinds);
    Json(document)
}

/// The document.
#[must_use]
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut book = Book {
        input: settings.clone().into_generator(),
        output: settings.for_serialize().into_generator(),
        paths: Map::new(),
    };
    book.cases();
    book.deliveries();
    book.city();
    book.silences();
    book.open311();
    book.policies();
    book.verdicts();
    book.people();
    let mut schemas = book.input.take_definitions(true);
    schemas.extend(book.output.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "citybrain",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Cases of a city, what may be done with them, and what is told of them.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": book.paths,
        "components": { "schemas": schemas, "securitySchemes": security_schemes() },
        "security": [{ "token": [] }, { "session": [] }],
    })
}

/// How somebody comes in. Routes that anyone may ask say so by an empty list.
fn security_schemes() -> Value {
    json!({
        "token": { "type": "http", "scheme": "bearer", "description": "A token made on the account page." },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "citybrain_session",
            "description": "What signing in on the console sets. Changes need the header `X-CSRF-Token`, too.",
        },
    })
}

struct Book {
    input: SchemaGenerator,
    output: SchemaGenerator,
    paths: Map<String, Value>,
}

/// One operation on its way into the document.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    responses: Map<String, Value>,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        let (parameters, responses) = (Vec::new(), Map::new());
        Self { method, path, id, summary, parameters, body: None, responses }
    }

    fn with(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    fn takes(mut self, media: &str, schema: &Value) -> Self {
        self.body = Some(json!({ "required": true, "content": { media: { "schema": schema } } }));
        self
    }

    fn answers(mut self, status: u16, what: &str, media: &str, schema: &Value) -> Self {
        let answer = json!({ "description": what, "content": { media: { "schema": schema } } });
        self.responses.insert(status.to_string(), answer);
        self
    }

    fn refuses(self, schema: &Value, media: &str, refusals: &[(u16, &str)]) -> Self {
        refusals.iter().fold(self, |this, (status, what)| this.answers(*status, what, media, schema))
    }
}

fn path(name: &str, what: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": what, "schema": schema })
}

fn query(name: &str, what: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "required": false, "description": what, "schema": schema })
}

fn header(name: &str, what: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": what, "schema": schema })
}

fn limit() -> Value {
    let schema = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
    query("limit", &format!("Most rows; held within 1 and {MAX_PAGE}."), &schema)
}

fn cursor() -> Value {
    query("cursor", "`next` of the page before.", &json!({ "type": "string", "maxLength": 96 }))
}

fn idempotency() -> Value {
    let what = "The same request under the same key acts once and is answered the same, for a week.";
    header("Idempotency-Key", what, &json!({ "type": "string", "pattern": "^[!-~]{1,128}$" }))
}

const STORE: (u16, &str) = (503, "The case store does not answer.");
const NO_CASE: (u16, &str) = (404, "There is no such case.");
const BAD: (u16, &str) = (400, "The request is not understood.");

impl Book {
    fn out<T: JsonSchema>(&mut self) -> Value {
        self.output.subschema_for::<T>().to_value()
    }

    fn taken<T: JsonSchema>(&mut self) -> Value {
        self.input.subschema_for::<T>().to_value()
    }

    fn add(&mut self, operation: Operation) {
        let mut entry = json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "parameters": operation.parameters,
            "responses": operation.responses,
        });
        if let Some(body) = &operation.body {
            entry["requestBody"] = body.clone();
        }
        self.secure(&operation, &mut entry);
        let at = self.paths.entry(operation.path).or_insert_with(|| json!({}));
        at[operation.method] = entry;
    }

    /// Says who may ask, and how others are refused.
    fn secure(&mut self, operation: &Operation, entry: &mut Value) {
        let method = operation.method.to_uppercase();
        let is_route = |path: &str| path.replace("{*path}", "{path}") == operation.path;
        let rule = super::access::TABLE.iter().find(|(m, path, _)| *m == method && is_route(path));
        let needed = match rule.map(|(_, _, who)| *who) {
            Some(Who::Anyone) => {
                entry["security"] = json!([]);
                return;
            }
            Some(Who::May(permission)) => format!("Needs the permission `{}`.", permission.name()),
            Some(Who::SignedIn) | None => "Needs somebody who has signed in.".to_owned(),
        };
        entry["description"] = json!(needed);
        let problem = self.out::<Problem>();
        for (status, what) in [("401", "Nobody has signed in."), ("403", "Whoever it is may not.")] {
            if entry["responses"].get(status).is_none() {
                entry["responses"][status] =
                    json!({ "description": what, "content": { PROBLEM: { "schema": problem } } });
            }
        }
    }

    fn people(&mut self) {
        let problem = self.out::<Problem>();
        let json = "application/json";
        let id = |what| path("id", what, &json!({ "type": "string", "minLength": 1 }));
        let refusals = [
            (404, "There is no such thing."),
            (409, "It is taken, or nobody signs in here."),
            (415, "The body is no JSON."),
            (422, "It is refused, and why."),
            STORE,
        ];
        let (me, tokens, made_token) = (self.out::<Me>(), self.out::<Tokens>(), self.out::<MadeToken>());
        let (users, made_user) = (self.out::<UserList>(), self.out::<MadeUser>());
        let (token, user, change) =
            (self.taken::<TokenBody>(), self.taken::<UserBody>(), self.taken::<UserChangeBody>());
        let nothing = |mut operation: Operation| {
            operation.responses.insert("204".to_owned(), json!({ "description": "Done." }));
            operation
        };
        let operations = [
            Operation::new("get", "/api/v1/me", "me", "Who asks, and what he may")
                .answers(200, "You.", json, &me),
            nothing(Operation::new(
                "delete",
                "/api/v1/me/sessions",
                "signOutEverywhere",
                "End every session of yours",
            )),
            Operation::new("get", "/api/v1/me/tokens", "listTokens", "Your tokens").answers(
                200,
                "Your tokens, without their texts.",
                json,
                &tokens,
            ),
            Operation::new("post", "/api/v1/me/tokens", "addToken", "Make a token")
                .takes(json, &token)
                .answers(201, "The token; its text is shown this once.", json, &made_token),
            nothing(
                Operation::new("delete", "/api/v1/me/tokens/{id}", "endToken", "End a token")
                    .with(id("The token.")),
            ),
            Operation::new("get", "/api/v1/users", "listUsers", "Users").answers(
                200,
                "Every user.",
                json,
                &users,
            ),
            Operation::new("post", "/api/v1/users", "addUser", "Make a user").takes(json, &user).answers(
                201,
                "The user, and the password where one was made.",
                json,
                &made_user,
            ),
            Operation::new(
                "patch",
                "/api/v1/users/{id}",
                "changeUser",
                "Change a user's role, shut him out, reset",
            )
            .with(id("The user."))
            .takes(json, &change)
            .answers(200, "The user as he stands then.", json, &made_user),
        ];
        for operation in operations {
            self.add(operation.refuses(&problem, PROBLEM, &refusals));
        }
        let (page, verdict) = (self.out::<AuditPage>(), self.out::<Verdict>());
        let before = json!({ "type": "integer", "minimum": 0 });
        self.add(
            Operation::new("get", "/api/v1/audit", "readAudit", "The audit log, newest first")
                .with(query("before", "Rows with a lower number only.", &before))
                .with(limit())
                .answers(200, "A page of it, and its head.", json, &page)
                .refuses(&problem, PROBLEM, &[BAD, STORE]),
        );
        let head = json!({ "type": "string", "pattern": "^[0-9]{1,18}:[0-9a-f]{64}$" });
        self.add(
            Operation::new("get", "/api/v1/audit/verify", "verifyAudit", "Whether the audit log is whole")
                .with(query("expect", "A head noted elsewhere, which has to be met.", &head))
                .answers(200, "What was found.", json, &verdict)
                .refuses(&problem, PROBLEM, &[BAD, STORE]),
        );
    }

    fn cases(&mut self) {
        let problem = self.out::<Problem>();
        let id = self.taken::<CaseId>();
        let case_id = || path("id", "The case.", &id);
        let state = self.taken::<CaseState>();
        let (page, view, case) = (self.out::<CasePage>(), self.out::<CaseView>(), self.out::<Case>());
        self.add(
            Operation::new("get", "/api/v1/cases", "listCases", "Cases, newest first")
                .with(query("state", "In this state only.", &state))
                .with(query("kind", "Of this kind only.", &json!({ "type": "string" })))
                .with(limit())
                .with(cursor())
                .answers(200, "A page of cases.", "application/json", &page)
                .refuses(&problem, PROBLEM, &[BAD, STORE]),
        );
        self.add(
            Operation::new(
                "get",
                "/api/v1/cases/{id}",
                "readCase",
                "A case with its trail, deliveries and what it allows",
            )
            .with(case_id())
            .with(header("If-None-Match", "The ETag known.", &json!({ "type": "string" })))
            .answers(200, "The case; its ETag names its version.", "application/json", &view)
            .answers(304, "It has not changed.", "application/json", &json!({}))
            .refuses(&problem, PROBLEM, &[BAD, NO_CASE, STORE]),
        );
        let (order, report, reported) =
            (self.taken::<ActionBody>(), self.taken::<ReportBody>(), self.out::<Reported>());
        let refusals = [
            BAD,
            NO_CASE,
            (403, "A page of another site may not change anything."),
            (409, "The case does not allow it; `allowed` says what it does."),
            (412, "The case is at another version than `If-Match` names."),
            (413, "The body is too large."),
            (415, "The body is no JSON."),
            (422, "The order cannot be followed, or its key was used for another."),
            STORE,
        ];
        self.add(
            Operation::new("post", "/api/v1/cases/{id}/actions", "actOnCase", "Do something with a case")
                .with(case_id())
                .with(header(
                    "If-Match",
                    "The ETag of the case as it was seen.",
                    &json!({ "type": "string", "pattern": ETAG_PATTERN }),
                ))
                .with(idempotency())
                .takes("application/json", &order)
                .answers(200, "The case as it stands then.", "application/json", &case)
                .refuses(&problem, PROBLEM, &refusals),
        );
        let why = json!({
            "type": "object",
            "description": "The incident behind the case: `reasons` holds each frame, contribution, witness and threshold.",
            "required": ["id", "kind", "camera", "reasons"],
        });
        self.add(
            Operation::new("get", "/api/v1/cases/{id}/why", "why", "Why a case was opened")
                .with(case_id())
                .answers(200, "The incident behind it.", "application/json", &why)
                .refuses(&problem, PROBLEM, &[BAD, NO_CASE, STORE]),
        );
        let xml = json!({ "type": "string" });
        self.add(
            Operation::new(
                "get",
                "/api/v1/cases/{id}/cap",
                "readAlert",
                "A confirmed fire as a CAP 1.2 alert",
            )
            .with(case_id())
            .answers(200, "The alert.", crate::cap::CONTENT_TYPE, &xml)
            .refuses(&problem, PROBLEM, &[BAD, NO_CASE, STORE]),
        );
        self.add(
            Operation::new("post", "/api/v1/reports", "report", "Tell of something")
                .with(idempotency())
                .takes("application/json", &report)
                .answers(200, "It has joined an open case.", "application/json", &reported)
                .answers(201, "It has opened a case.", "application/json", &reported)
                .refuses(&problem, PROBLEM, &refusals[2..])
                .refuses(&problem, PROBLEM, &[BAD]),
        );
    }

    fn deliveries(&mut self) {
        let problem = self.out::<Problem>();
        let (page, delivery, replayed) =
            (self.out::<DeliveryPage>(), self.out::<Delivery>(), self.out::<Replayed>());
        let (state, destination) = (self.taken::<DeliveryState>(), self.taken::<DestinationId>());
        self.add(
            Operation::new(
                "get",
                "/api/v1/deliveries",
                "listDeliveries",
                "Deliveries, newest first; dead ones are those given up",
            )
            .with(query("state", "In this state only.", &state))
            .with(query("destination", "To this destination only.", &destination))
            .with(limit())
            .with(cursor())
            .answers(200, "A page of deliveries.", "application/json", &page)
            .refuses(&problem, PROBLEM, &[BAD, STORE]),
        );
        let refusals = [
            BAD,
            (403, "A page of another site may not change anything."),
            (404, "There is no such delivery or destination."),
            (409, "It has not been given up."),
            STORE,
        ];
        self.add(
            Operation::new(
                "post",
                "/api/v1/deliveries/{key}/replay",
                "replayDelivery",
                "Send a dead delivery again, under its key",
            )
            .with(path("key", "Its idempotency key.", &json!({ "type": "string", "minLength": 1 })))
            .answers(202, "It goes out.", "application/json", &delivery)
            .refuses(&problem, PROBLEM, &refusals),
        );
        self.add(
            Operation::new(
                "post",
                "/api/v1/destinations/{id}/replay",
                "replayDestination",
                "Send every dead delivery to a destination again",
            )
            .with(path("id", "The destination.", &destination))
            .answers(202, "They go out.", "application/json", &replayed)
            .refuses(&problem, PROBLEM, &refusals),
        );
    }

    fn silences(&mut self) {
        let problem = self.out::<Problem>();
        let (all, one) = (self.out::<Silences>(), self.out::<SilenceView>());
        let (asked, ended, state) =
            (self.taken::<SilenceBody>(), self.taken::<EndBody>(), self.taken::<SilenceState>());
        let id =
            || path("id", "The silence.", &json!({ "type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$" }));
        let none = (404, "There is no such silence.");
        let strangers = (403, "A page of another site may not change anything.");
        let json = "application/json";
        self.add(
            Operation::new("get", "/api/v1/silences", "listSilences", "What opens no case, and what did not")
                .with(query("state", "In this state only.", &state))
                .answers(200, "Silences, newest first, at most 1,000.", json, &all)
                .refuses(&problem, PROBLEM, &[BAD, STORE]),
        );
        self.add(
            Operation::new(
                "post",
                "/api/v1/silences",
                "makeSilence",
                "Let some sightings open no case for a while",
            )
            .with(idempotency())
            .takes(json, &asked)
            .answers(201, "It holds from the next look on.", json, &one)
            .refuses(
                &problem,
                PROBLEM,
                &[
                    BAD,
                    strangers,
                    (409, "So many are in force that no further one is taken."),
                    (413, "The body is too large."),
                    (415, "The body is no JSON."),
                    (422, "It names nothing, or what is not there, or its key was used for another."),
                    STORE,
                ],
            ),
        );
        self.add(
            Operation::new("get", "/api/v1/silences/{id}", "readSilence", "One silence")
                .with(id())
                .answers(200, "The silence.", json, &one)
                .refuses(&problem, PROBLEM, &[none, STORE]),
        );
        self.add(
            Operation::new(
                "post",
                "/api/v1/silences/{id}/end",
                "endSilence",
                "End a silence before its time",
            )
            .with(id())
            .takes(json, &ended)
            .answers(200, "It holds no more.", json, &one)
            .refuses(
                &problem,
                PROBLEM,
                &[
                    BAD,
                    strangers,
                    none,
                    (409, "It is over already."),
                    (413, "The body is too large."),
                    (415, "The body is no JSON."),
                    (422, "It is not said who ends it."),
                    STORE,
                ],
            ),
        );
    }

    fn city(&mut self) {
        let problem = self.out::<Problem>();
        let (cameras, kinds, readiness) =
            (self.out::<Cameras>(), self.out::<Kinds>(), self.out::<Readiness>());
        let text = json!({ "type": "string" });
        let found = self.out::<Appraisal>();
        let (period, form) = (self.taken::<PeriodKind>(), self.taken::<Form>());
        let mut appraisal = Operation::new(
            "get",
            "/api/v1/appraisal",
            "appraise",
            "Response, handling and satisfaction rates, classes, hot spots",
        )
        .with(query("period", "How long; a week when not given.", &period))
        .with(query("day", "A day in it, `2026-11-25`; today when not given.", &json!({ "type": "string" })))
        .with(query("format", "In which form.", &form))
        .answers(200, "The appraisal.", "application/json", &found)
        .refuses(&problem, PROBLEM, &[BAD, STORE]);
        if let Some(content) = appraisal.responses.get_mut("200").and_then(|answer| answer.get_mut("content"))
        {
            content["text/html"] = json!({ "schema": text });
            content["text/csv"] = json!({ "schema": text });
        }
        self.add(appraisal);
        self.add(
            Operation::new("get", "/api/v1/cameras", "listCameras", "Cameras and how they stand").answers(
                200,
                "Every camera.",
                "application/json",
                &cameras,
            ),
        );
        self.add(Operation::new("get", "/api/v1/kinds", "listKinds", "The event catalogue").answers(
            200,
            "Every kind.",
            "application/json",
            &kinds,
        ));
        self.add(
            Operation::new(
                "get",
                "/api/v1/events",
                "listen",
                "Changes as they happen, as server-sent events",
            )
            .answers(200, "A stream that does not end.", "text/event-stream", &text),
        );
        self.add(Operation::new("get", "/api/v1/openapi.json", "describe", "This document").answers(
            200,
            "OpenAPI 3.1.",
            "application/json",
            &json!({ "type": "object" }),
        ));
        self.add(
            Operation::new("get", "/healthz", "health", "The process lives and its store answers")
                .answers(200, "It does.", "text/plain", &text)
                .refuses(&problem, PROBLEM, &[STORE]),
        );
        self.add(
            Operation::new("get", "/readyz", "readiness", "Whether the dispatcher does its work")
                .answers(200, "It does.", "application/json", &readiness)
                .answers(503, "A part of it does not.", "application/json", &readiness),
        );
        self.add(Operation::new("get", "/metrics", "metrics", "OpenMetrics").answers(
            200,
            "The metrics.",
            "application/openmetrics-text",
            &text,
        ));
        let pattern = json!({ "type": "string", "pattern": PICTURE_PATTERN });
        self.add(
            Operation::new(
                "get",
                "/pictures/{path}",
                "linkedPicture",
                "A picture, by the signed address that a message brought",
            )
            .with(path("path", "As cases name it.", &pattern))
            .with(query(
                "until",
                "When the address is over, in seconds since 1970.",
                &json!({ "type": "integer", "minimum": 0 }),
            ))
            .with(query("mark", "The signature.", &json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })))
            .answers(200, "The picture.", "image/jpeg", &json!({ "type": "string", "format": "binary" }))
            .refuses(
                &problem,
                PROBLEM,
                &[
                    BAD,
                    (404, "The signature opens no picture, or it has made room."),
                    (410, "The time of the address is over."),
                    (422, "The address lacks its signature."),
                ],
            ),
        );
        for (route, id, what) in [
            ("/snapshots/{path}", "picture", "A picture as everybody sees it"),
            ("/originals/{path}", "original", "A picture in which nothing was made unrecognisable"),
        ] {
            let pattern = json!({ "type": "string", "pattern": PICTURE_PATTERN });
            self.add(
                Operation::new("get", route, id, what)
                    .with(path("path", "As cases name it.", &pattern))
                    .answers(
                        200,
                        "The picture.",
                        "image/jpeg",
                        &json!({ "type": "string", "format": "binary" }),
                    )
                    .refuses(&problem, PROBLEM, &[BAD, (404, "There is no such picture.")]),
            );
        }
    }

    fn open311(&mut self) {
        let problems = json!({
            "type": "array",
            "items": {
                "type": "object",
                "properties": { "code": { "type": "integer" }, "description": { "type": "string" } },
                "required": ["code", "description"],
            },
        });
        let (services, requests, posted) =
            (self.out::<Vec<GeoService>>(), self.out::<Vec<GeoRequest>>(), self.out::<Vec<Posted>>());
        let text = json!({ "type": "string" });
        let json = "application/json";
        self.add(
            Operation::new("get", "/open311/v2/services.json", "listServices", "Open311: kinds as services")
                .answers(200, "Every service.", json, &services),
        );
        self.add(
            Operation::new(
                "get",
                "/open311/v2/requests.json",
                "listRequests",
                "Open311: cases as requests, newest first",
            )
            .with(query("service_request_id", "Ids, by commas.", &text))
            .with(query("service_code", "Of this kind only.", &text))
            .with(query("start_date", "Opened then or later.", &text))
            .with(query("end_date", "Opened then or before.", &text))
            .with(query("status", "`open`, `closed` or both, by commas.", &text))
            .answers(200, "At most 200 requests.", json, &requests)
            .refuses(&problems, json, &[BAD, STORE]),
        );
        let id = self.taken::<CaseId>();
        self.add(
            Operation::new(
                "get",
                "/open311/v2/requests/{id}",
                "readRequest",
                "Open311: one case as a request",
            )
            .with(path("id", "The case, with or without `.json`; `.xml` answers in XML.", &id))
            .answers(200, "A list of one.", json, &requests)
            .refuses(&problems, json, &[BAD, NO_CASE, STORE]),
        );
        let form = json!({
            "type": "object",
            "properties": {
                "service_code": { "type": "string", "minLength": 1 },
                "lat": { "type": "number", "minimum": -90, "maximum": 90 },
                "long": { "type": "number", "minimum": -180, "maximum": 180 },
                "address_string": { "type": "string" },
                "description": { "type": "string" },
                "first_name": { "type": "string" },
                "last_name": { "type": "string" },
            },
            "required": ["service_code"],
        });
        self.add(
            Operation::new("post", "/open311/v2/requests.json", "postRequest", "Open311: tell of something")
                .takes("application/x-www-form-urlencoded", &form)
                .answers(201, "It was taken in.", json, &posted)
                .refuses(
                    &problems,
                    json,
                    &[
                        BAD,
                        (403, "Not from a page of another site."),
                        (413, "Too large."),
                        (415, "The body is no form."),
                        STORE,
                    ],
                ),
        );
        self.in_xml_too();
    }

    /// What is answered in JSON at an address of Open311 that ends so is answered in XML at one that ends in `.xml`.
    fn in_xml_too(&mut self) {
        for name in ["services", "requests"] {
            let Some(mut item) = self.paths.get(&format!("/open311/v2/{name}.json")).cloned() else {
                continue;
            };
            let operations = item.as_object_mut().into_iter().flatten();
            for (_, operation) in operations {
                let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
                operation["operationId"] = json!(format!("{id}Xml"));
                for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
                    response["content"] = json!({ "text/xml": { "schema": { "type": "string" } } });
                }
            }
            self.paths.insert(format!("/open311/v2/{name}.xml"), item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_router_is_described_and_every_reference_leads_somewhere() {
        let document = openapi();
        let described: Vec<&str> =
            document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let source = include_str!("mod.rs");
        let routes = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let mut count = 0;
        for route in routes {
            count += 1;
            let route = route.replace("{*path}", "{path}");
            let is_described = described.iter().any(|path| *path == route || path.ends_with(&route));
            assert!(is_described, "{route} is not in the document");
        }
        assert_eq!(count, described.len(), "{described:?}");
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not there");
        }
    }
}
