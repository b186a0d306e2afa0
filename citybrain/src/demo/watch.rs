//! Watches the street, the city and the desks side by side until every event can be judged.

use super::screen;
use super::stage::Stage;
use super::verdict::{self, Event, Row};
use anyhow::Context;
use citybrain_types::{Case, Clock, EventKind, SystemClock, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long after the last event second cases and cases of quiet cameras are waited for.
const SETTLE: Duration = Duration::from_secs(15);
/// How long after its deadline an event is given up.
const GIVE_UP: Duration = Duration::from_secs(20);
/// How often the city is asked.
const STEP: Duration = Duration::from_millis(500);

/// What became of the whole script.
pub struct Outcome {
    /// One row an event whose kind a model scores.
    pub rows: Vec<Row>,
    /// Cases that belong to no event.
    pub strays: Vec<Case>,
    /// Kinds of the script that no model scores yet.
    pub unscored: BTreeSet<EventKind>,
}

impl Outcome {
    /// Whether everything became what it should.
    pub fn is_right(&self) -> bool {
        !self.rows.is_empty() && self.strays.is_empty() && self.rows.iter().all(|row| row.ok)
    }
}

/// Tells what happens as it happens; ends when every event can be judged if `until_judged`, else never.
pub async fn watch(stage: &mut Stage, until_judged: bool) -> anyhow::Result<Outcome> {
    let events = stage.events();
    let last = events.iter().map(|event| event.visible_at).max().unwrap_or_else(|| SystemClock.now());
    let mut screen = screen::Screen::new(&events);
    loop {
        let outcome = look(stage).await?;
        let now = SystemClock.now();
        screen.show(&outcome, now);
        stage.still_plays()?;
        let given_up = |event: &Event| {
            let decided = event.deadline.max(event.confirm_within.unwrap_or_default());
            now >= event.visible_at.plus(decided).plus(GIVE_UP)
        };
        let judged = outcome.rows.iter().zip(&events).all(|(row, event)| row.ok || given_up(event));
        if until_judged && judged && now >= last.plus(SETTLE) {
            screen.end();
            return Ok(outcome);
        }
        tokio::time::sleep(STEP).await;
    }
}

/// One look at everything.
pub async fn look(stage: &Stage) -> anyhow::Result<Outcome> {
    let events: Vec<Event> = stage.events();
    let cases = cases(stage).await?;
    let arrivals = stage.arrivals();
    let rows = verdict::rows(&events, &cases, &arrivals);
    let strays = verdict::strays(&events, &cases).into_iter().cloned().collect();
    Ok(Outcome { rows, strays, unscored: stage.unscored().clone() })
}

#[derive(serde::Deserialize)]
struct Page {
    cases: Vec<Case>,
    next: Option<String>,
}

async fn cases(stage: &Stage) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut cursor = None;
    loop {
        let mut address = format!("{}api/v1/cases?limit=200", stage.console());
        if let Some(cursor) = &cursor {
            address.push_str(&format!("&cursor={cursor}"));
        }
        let answer = stage.http().get(&address).send().await.context("the city does not answer")?;
        let page: Page =
            answer.error_for_status()?.json().await.context("the city's answer is not a list of cases")?;
        cases.extend(page.cases);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(cases);
        }
    }
}

/// When an event became visible, relative to now, for people.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        format!("{:.0} s ago", now.since(at).as_secs_f64())
    } else {
        format!("in {:.0} s", at.since(now).as_secs_f64())
    }
}
