//! A what-if of a running city keeps to its bounds.

use super::{Told, write};
use crate::testing::city::{around, city, look, with_box};
use crate::tune::runner::MOST_AT_ONCE;
use crate::tune::{Asked, Job, Runner, Truth, TuneError, WhatIf};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

fn job(folder: &Path, most_cases: usize) -> Job {
    let asked = Asked { most_cases, ..Asked::default() };
    Job {
        what_if: WhatIf::new(Arc::new(city(Path::new("unused"))), Arc::default(), asked),
        log: vec![folder.to_owned()],
        proposals: Vec::new(),
        truth: Truth::default(),
    }
}

/// Ten parts, with a fire in each.
fn log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let frame = |n: u64| match n % 200 > 180 {
        true => with_box(look("gate-1", n), "fire", 0.95, around(0.5, 0.5)),
        false => look("gate-1", n),
    };
    let told: Vec<Told> = (0..2_000).map(|n| Told::Seen(frame(n))).collect();
    // Before the runtime of a test: writing has one of its own.
    std::thread::scope(|scope| {
        scope.spawn(|| write(&city(Path::new("unused")), folder.path(), &told, 200)).join().unwrap();
    });
    folder
}

#[tokio::test]
async fn one_that_takes_too_long_ends_and_says_so() {
    let folder = log();
    let runner = Runner::within(Duration::ZERO);
    let failure = runner.run(job(folder.path(), 100), |_| true).await.unwrap_err();
    assert!(matches!(failure, TuneError::TooLong(_)), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_wait_are_refused_and_one_that_nobody_waits_for_ends() {
    let folder = log();
    let runner = Runner::default();
    let (go_on, gate) = mpsc::channel::<()>();
    let held = tokio::spawn({
        let (runner, job) = (runner.clone(), job(folder.path(), 100));
        // It stays in its first part until the test lets it go.
        async move { runner.run(job, move |_| gate.recv().is_ok()).await }
    });
    let waiting: Vec<_> = (0..2 * MOST_AT_ONCE)
        .map(|_| {
            let (runner, job) = (runner.clone(), job(folder.path(), 100));
            tokio::spawn(async move { runner.run(job, |_| true).await })
        })
        .collect();
    held.abort();
    drop(go_on);
    let (mut busy, mut whole) = (0, 0);
    for one in waiting {
        match one.await.unwrap() {
            Ok(report) => {
                assert_eq!(report.policies[0].all.cases, 10);
                whole += 1;
            }
            Err(TuneError::Busy(_)) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(busy > 0 && whole > 0 && whole <= MOST_AT_ONCE, "{busy} were refused, {whole} worked out");
}

#[tokio::test]
async fn cases_beyond_those_that_are_kept_are_counted() {
    let folder = log();
    let report = Runner::default().run(job(folder.path(), 3), |_| true).await.unwrap();
    let figures = &report.policies[0].by_kind[&super::fire()];
    assert_eq!((figures.cases, report.policies[0].all.cases), (10, 10));
}
