//! `./x bench console`: is the first page small and soon there in a large city, and an alarm soon seen in Chromium.
//!
//! A city of 2,000 cameras and 10,000 cases with API and console on loopback, in this process. Each page is asked for
//! several times over one connection; an alarm is timed from the commit, which the dispatcher tells its listeners of, to
//! the moment at which the browser has drawn it.
#![allow(clippy::print_stdout, reason = "a bench speaks to its caller")]

#[path = "../tests/browser_support/browser.rs"]
mod browser;
#[path = "../tests/browser_support/town.rs"]
mod town;

use anyhow::{Context, ensure};
use browser::{Browser, Look};
use citybrain_dispatcher::Change;
use citybrain_dispatcher::store::{CaseWrite, Commit, Store};
use citybrain_types::{Case, CaseChange, CaseId, Clock, IncidentId, SystemClock};
use serde_json::Value;
use std::time::{Duration, Instant};
use town::Town;

const CAMERAS: usize = 2_000;
const CASES: u64 = 10_000;
/// Cases written in one transaction.
const BATCH: u64 = 500;
const ASKED: usize = 9;
const ALARMS: usize = 7;
const FIRST_PAGE_KIB: f64 = 200.0;
const FIRST_PAGE_MS: f64 = 300.0;
const ALARM_MS: f64 = 500.0;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let town = Town::open(CAMERAS).await?;
    fill(&town).await?;
    let mut sound = pages(&town).await?;
    sound &= alarms(&town).await?;
    ensure!(sound, "a figure fell short of its bar");
    Ok(())
}

fn figure(name: &str, value: f64, unit: &str, bar: f64) -> bool {
    let is_ok = value <= bar;
    println!("{name} {value:.3} {unit} bar {bar} {}", if is_ok { "ok" } else { "short" });
    is_ok
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Writes cases into the store, an hour and more old, each some seconds after the one before.
async fn fill(town: &Town) -> anyhow::Result<()> {
    let pattern = town.tell("littering", "Bags beside the bin", [121.49, 31.21]).await?;
    let view = town.services.case(&pattern.id).await?.context("it is there")?;
    let line = view.trail.first().context("it has a trail")?.clone();
    let store = Store::open(&town.services.site().data_dir).await?;
    for first in (0..CASES).step_by(usize::try_from(BATCH)?) {
        let cases = (first..first + BATCH).map(|n| old(&pattern, &line, n)).collect::<anyhow::Result<_>>()?;
        store.commit(&Commit { cases, ..Commit::default() }).await?;
    }
    store.close().await;
    Ok(())
}

fn old(pattern: &Case, line: &CaseChange, n: u64) -> anyhow::Result<CaseWrite> {
    let mut case = pattern.clone();
    case.id = CaseId::new(format!("littering-20261101-{n:06}"))?;
    case.incident = IncidentId::new(format!("littering-20261101-{n:06}"))?;
    case.opened_at = pattern.opened_at.minus(Duration::from_secs(3_600 + 10 * n));
    case.first_seen_at = case.opened_at;
    case.position = Some([121.47 + (n % 100) as f64 * 0.001, 31.20 + (n / 100) as f64 * 0.001]);
    let line = CaseChange { case: case.id.clone(), at: case.opened_at, ..line.clone() };
    case.version = line.version;
    Ok(CaseWrite::Change { case, changes: vec![line], deliveries: Vec::new() })
}

async fn pages(town: &Town) -> anyhow::Result<bool> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let counted: u64 = town.services.counts().await?.values().sum();
    println!("{} cameras, {counted} cases", town.services.cameras().len());
    let mut sound = true;
    for page in [
        "/",
        "/cases",
        "/cases?sort=deadline&page=9",
        "/map",
        "/map/features",
        "/cameras",
        "/deliveries",
        "/reports",
        "/system",
    ] {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..ASKED {
            let asked = Instant::now();
            let answer = client.get(format!("{}{page}", town.home)).send().await?.error_for_status()?;
            bytes = answer.bytes().await?.len();
            times.push(asked.elapsed().as_secs_f64() * 1_000.0);
        }
        if page != "/" {
            println!("{page}: {:.1} KiB, {:.0} ms", bytes as f64 / 1024.0, median(&mut times));
            continue;
        }
        let mut all = bytes as f64;
        for asset in ["style.css", "live.js", "events.js", "alarms.js", "icon.svg"] {
            let answer =
                client.get(format!("{}/assets/{asset}", town.home)).send().await?.error_for_status()?;
            all += answer.bytes().await?.len() as f64;
        }
        sound &= figure("console_first_page", all / 1024.0, "KiB", FIRST_PAGE_KIB);
        sound &= figure("console_first_page_time", median(&mut times), "ms", FIRST_PAGE_MS);
    }
    Ok(sound)
}

/// From the commit of an alarm to the browser that has drawn it.
async fn alarms(town: &Town) -> anyhow::Result<bool> {
    let browser = Browser::open(&town.home, &Look::default()).await?;
    browser.go("/").await?;
    browser.until("document.getElementById('link').dataset.state === 'open'").await?;
    browser
        .run(
            "window.seen = {}; new MutationObserver(() => { for (const alarm of document.querySelectorAll('#alarms article')) \
             { const id = alarm.dataset.case; if (!(id in seen)) { seen[id] = null; \
             requestAnimationFrame(() => { seen[id] = Date.now(); }); } } }).observe(document.body, {childList: true, subtree: true})",
            Value::Null,
        )
        .await?;
    let mut changes = town.services.subscribe();
    let mut times = Vec::new();
    for n in 0..ALARMS {
        // Far enough from the others to be a fire of its own.
        town.burn(&format!("gate-{}", n * 53 + 7)).await?;
        let (id, committed) = loop {
            let change = tokio::time::timeout(browser::PATIENCE, changes.recv()).await??;
            if let Change::Case { case, opened: true } = change {
                break (case.id.to_string(), now_ms());
            }
        };
        browser.until(&format!("seen['{id}']")).await?;
        let drawn = browser.run(&format!("return seen['{id}']"), Value::Null).await?;
        times.push(drawn.as_f64().context("a moment")? - committed);
    }
    println!("alarms after {times:.0?} ms");
    Ok(figure("console_alarm_shown", median(&mut times), "ms", ALARM_MS))
}

fn now_ms() -> f64 {
    SystemClock.now().as_micros() as f64 / 1_000.0
}
