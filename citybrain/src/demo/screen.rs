//! What a person sees of the demo: steps while it is set up, happenings while it plays, a table at the end.
#![allow(clippy::print_stdout, reason = "this is the command's output")]

use super::account::Account;
use super::verdict::{Event, Row};
use super::watch::{Outcome, ago};
use citybrain_types::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::time::Duration;

/// Says which step begins.
pub fn step(number: usize, words: &str) {
    println!("[{number}/5] {words}");
}

/// Says how to sign in.
pub fn account(account: &Account) {
    println!("      sign in as {} with the password {}", account.name, account.password);
}

/// Tells what happens, each thing once.
pub struct Screen {
    bar: ProgressBar,
    events: Vec<Event>,
    told: BTreeSet<String>,
}

impl Screen {
    /// For a script of these events.
    pub fn new(events: &[Event]) -> Self {
        let bar = ProgressBar::new(events.len() as u64);
        if let Ok(style) = ProgressStyle::with_template(
            "{elapsed_precise} {bar:24} {pos}/{len} events have their case  {msg}",
        ) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar, events: events.to_vec(), told: BTreeSet::new() }
    }

    /// Tells what is new.
    pub fn show(&mut self, outcome: &Outcome, now: Timestamp) {
        for event in &self.events {
            if event.visible_at <= now {
                let words = format!("{} is visible at {}", event.kind, event.camera);
                Self::tell(
                    &self.bar,
                    &mut self.told,
                    now,
                    format!("see {}{}", event.kind, event.camera),
                    &words,
                );
            }
        }
        for row in &outcome.rows {
            if let (Some(case), Some(delay)) = (&row.case_id, row.delay_s) {
                let words =
                    format!("{} at {} is on the desk after {delay:.1} s: case {case}", row.kind, row.camera);
                Self::tell(&self.bar, &mut self.told, now, format!("case {case}"), &words);
            }
        }
        for case in &outcome.strays {
            let camera = case.camera.as_ref().map_or("–", |camera| camera.as_str());
            let words = format!("{} at {camera}, where nothing is: case {}", case.kind, case.id);
            Self::tell(&self.bar, &mut self.told, now, format!("stray {}", case.id), &words);
        }
        self.bar.set_position(outcome.rows.iter().filter(|row| row.ok).count() as u64);
        let coming =
            self.events.iter().filter(|event| event.visible_at > now).min_by_key(|event| event.visible_at);
        self.bar.set_message(match coming {
            Some(event) => format!("next: {} at {} {}", event.kind, event.camera, ago(event.visible_at, now)),
            None => "nothing more is scripted".to_owned(),
        });
    }

    /// Takes the progress bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn tell(bar: &ProgressBar, told: &mut BTreeSet<String>, now: Timestamp, key: String, words: &str) {
        if told.insert(key) {
            bar.suspend(|| println!("  {now}  {words}"));
        }
    }
}

/// One row an event.
pub fn table(outcome: &Outcome) {
    println!();
    println!(
        "{:<22} {:<16} {:<24} {:>8} {:>9} {:>9}  {:<22} {:<34} ok",
        "kind", "camera", "visible at", "delay s", "allowed s", "on file s", "deliveries", "case"
    );
    for row in &outcome.rows {
        println!("{}", line(row));
    }
    for case in &outcome.strays {
        let camera = case.camera.as_ref().map_or("–", |camera| camera.as_str());
        println!("{:<22} {camera:<16} a case where nothing is: {}", case.kind, case.id);
    }
    if !outcome.unscored.is_empty() {
        let kinds: Vec<&str> = outcome.unscored.iter().map(|kind| kind.as_str()).collect();
        println!("(also on the street, and scored by no shipped model: {})", kinds.join(", "));
    }
}

fn line(row: &Row) -> String {
    let deliveries: Vec<String> = row.deliveries.iter().map(|(via, n)| format!("{via} {n}")).collect();
    let delay = row.delay_s.map_or_else(|| "-".to_owned(), |delay| format!("{delay:.1}"));
    let confirmed = row.confirmed_s.map_or_else(|| "-".to_owned(), |took| format!("{took:.1}"));
    let verdict = row.problem.as_deref().map_or("ok", |problem| problem);
    format!(
        "{:<22} {:<16} {:<24} {:>8} {:>9.0} {:>9}  {:<22} {:<34} {}",
        row.kind,
        row.camera,
        row.visible_at.to_string(),
        delay,
        row.deadline_s,
        confirmed,
        deliveries.join(", "),
        row.case_id.as_deref().unwrap_or("-"),
        verdict
    )
}

/// The verdict in one line.
pub fn last_word(outcome: &Outcome, judged: bool) {
    let right = outcome.rows.iter().filter(|row| row.ok).count();
    println!();
    println!(
        "{right} of {} events became exactly one case in time; {} cases of quiet cameras",
        outcome.rows.len(),
        outcome.strays.len()
    );
    if judged {
        println!("{}", if outcome.is_right() { "demo --check: ok" } else { "demo --check: failed" });
    }
}
