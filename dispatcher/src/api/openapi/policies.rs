//! Policies, verdicts and calibrations in the document.

use super::{BAD, Book, ETAG_PATTERN, Operation, PROBLEM, STORE, header, path, query};
use crate::api::policies::{Days, Differences, Policies, PolicyDraft, PolicyOrder, WhatIf};
use crate::api::problem::Problem;
use crate::api::verdicts::{CalibrationBody, Drafted, Judged, Judgements, Queue, VerdictBody};
use crate::policy::{Forecast, PolicyRecord, PolicyView};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const NO_POLICY: (u16, &str) = (404, "There is no such policy.");
const NOT_FROM_THERE: (u16, &str) = (403, "Not from a page of another site, and not by whoever wrote it.");
const TOO_LARGE: (u16, &str) = (413, "The body is too large.");
const NO_JSON: (u16, &str) = (415, "The body is no JSON.");
const UNFIT: (u16, &str) = (422, "It does not fit the city; `problems` holds every mistake.");

fn id() -> Value {
    path("id", "The policy.", &json!({ "type": "string", "minLength": 1, "maxLength": 64 }))
}

fn if_match() -> Value {
    let schema = json!({ "type": "string", "pattern": ETAG_PATTERN });
    header("If-Match", "The ETag of the policy as it was read; needed.", &schema)
}

impl Book {
    pub(super) fn policies(&mut self) {
        let problem = self.out::<Problem>();
        let (list, view, record) =
            (self.out::<Policies>(), self.out::<PolicyView>(), self.out::<PolicyRecord>());
        let (draft, order) = (self.taken::<PolicyDraft>(), self.taken::<PolicyOrder>());
        self.add(
            Operation::new("get", "/api/v1/policies", "listPolicies", "Policies, the one changed last first")
                .answers(200, "At most 500.", JSON, &list)
                .refuses(&problem, PROBLEM, &[STORE]),
        );
        self.add(
            Operation::new("post", "/api/v1/policies", "draftPolicy", "Begin a policy")
                .takes(JSON, &draft)
                .answers(201, "The draft.", JSON, &record)
                .refuses(
                    &problem,
                    PROBLEM,
                    &[BAD, NOT_FROM_THERE, (409, "Raced."), TOO_LARGE, NO_JSON, UNFIT, STORE],
                ),
        );
        self.add(
            Operation::new(
                "get",
                "/api/v1/policies/{id}",
                "readPolicy",
                "A policy with its history and its forecast",
            )
            .with(id())
            .with(header("If-None-Match", "The ETag known.", &json!({ "type": "string" })))
            .answers(200, "The policy; its ETag names its version.", JSON, &view)
            .answers(304, "It has not changed.", JSON, &json!({}))
            .refuses(&problem, PROBLEM, &[BAD, NO_POLICY, STORE]),
        );
        let refusals = [
            BAD,
            NOT_FROM_THERE,
            NO_POLICY,
            (
                409,
                "It is not possible in this state, somebody else was quicker, or what it leads to was not confirmed.",
            ),
            (412, "The policy is at another version than `If-Match` names."),
            TOO_LARGE,
            NO_JSON,
            UNFIT,
            (428, "`If-Match` is missing."),
            STORE,
        ];
        self.add(
            Operation::new("put", "/api/v1/policies/{id}", "writePolicy", "Write a draft over")
                .with(id())
                .with(if_match())
                .takes(JSON, &draft)
                .answers(200, "The policy as it stands then.", JSON, &record)
                .refuses(&problem, PROBLEM, &refusals),
        );
        self.add(
            Operation::new(
                "post",
                "/api/v1/policies/{id}/actions",
                "actOnPolicy",
                "Do something with a policy",
            )
            .with(id())
            .with(if_match())
            .takes(JSON, &order)
            .answers(200, "The policy as it stands then.", JSON, &record)
            .refuses(&problem, PROBLEM, &refusals),
        );
        let differences = self.out::<Differences>();
        self.add(
            Operation::new(
                "get",
                "/api/v1/policies/{id}/differences",
                "listDifferences",
                "Where a policy in shadow differs from the one in force",
            )
            .with(id())
            .with(query(
                "limit",
                "At most so many.",
                &json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            ))
            .answers(200, "Newest first.", JSON, &differences)
            .refuses(&problem, PROBLEM, &[BAD, NO_POLICY, STORE]),
        );
        let (days, what_if, forecast) =
            (self.taken::<Days>(), self.taken::<WhatIf>(), self.out::<Forecast>());
        let read =
            [BAD, NOT_FROM_THERE, NO_POLICY, TOO_LARGE, NO_JSON, UNFIT, STORE, (504, "It took too long.")];
        self.add(
            Operation::new(
                "post",
                "/api/v1/policies/{id}/forecast",
                "forecastPolicy",
                "Work out what the last days of the log lead to under a policy, and keep it",
            )
            .with(id())
            .takes(JSON, &days)
            .answers(200, "Before and after.", JSON, &forecast)
            .refuses(&problem, PROBLEM, &read),
        );
        self.add(
            Operation::new(
                "post",
                "/api/v1/what-if",
                "whatIf",
                "The same for a policy that nobody has stored",
            )
            .takes(JSON, &what_if)
            .answers(200, "Before and after.", JSON, &forecast)
            .refuses(&problem, PROBLEM, &read),
        );
    }

    pub(super) fn verdicts(&mut self) {
        let problem = self.out::<Problem>();
        let (queue, judged, judgements) =
            (self.out::<Queue>(), self.out::<Judged>(), self.out::<Judgements>());
        let limit = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
        self.add(
            Operation::new("get", "/api/v1/review", "listReview", "What has no verdict yet")
                .with(query("kind", "Of this kind only.", &json!({ "type": "string" })))
                .with(query("limit", "Most items; held within 1 and 100.", &limit))
                .answers(200, "The queue.", JSON, &queue)
                .refuses(&problem, PROBLEM, &[BAD, STORE]),
        );
        let body = self.taken::<VerdictBody>();
        self.add(
            Operation::new("post", "/api/v1/verdicts", "judge", "Give a verdict")
                .takes(JSON, &body)
                .answers(200, "The verdict as it is kept.", JSON, &judged)
                .refuses(
                    &problem,
                    PROBLEM,
                    &[
                        BAD,
                        NOT_FROM_THERE,
                        (404, "There is no such item."),
                        (409, "Somebody else was quicker; `verdict` holds what was said."),
                        TOO_LARGE,
                        NO_JSON,
                        (422, "It cannot be followed."),
                        STORE,
                    ],
                ),
        );
        let item = json!({ "type": "string", "pattern": "^(case|almost):[A-Za-z0-9_.-]{1,64}$" });
        self.add(
            Operation::new("get", "/api/v1/verdicts/{item}", "readVerdicts", "Every verdict on an item")
                .with(path("item", "`case:<id>` or `almost:<id>`.", &item))
                .answers(200, "Oldest first.", JSON, &judgements)
                .refuses(&problem, PROBLEM, &[BAD, (404, "There is no such item."), STORE]),
        );
        let (asked, drafted) = (self.taken::<CalibrationBody>(), self.out::<Drafted>());
        self.add(
            Operation::new(
                "post",
                "/api/v1/calibrations",
                "calibrate",
                "Draft a calibration from the verdicts",
            )
            .takes(JSON, &asked)
            .answers(201, "The draft.", JSON, &drafted)
            .refuses(
                &problem,
                PROBLEM,
                &[
                    BAD,
                    NOT_FROM_THERE,
                    (409, "There are too few verdicts."),
                    TOO_LARGE,
                    NO_JSON,
                    UNFIT,
                    STORE,
                ],
            ),
        );
    }
}
