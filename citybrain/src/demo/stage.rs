//! Everything the demo consists of, set up in order and cleared in order.

use super::account::Account;
use super::child::Program;
use super::config::{self, AnnouncedStreet, Desks};
use super::screen;
use super::verdict::{Arrival, Event};
use crate::cli::DemoArgs;
use anyhow::{Context, bail};
use citybrain_ingest_config::City;
use citybrain_models::Manifest;
use citybrain_simulator::Broker;
use citybrain_simulator::department::{MqttDepartment, Received, Via, WebhookDepartment, WebhookSecret};
use citybrain_types::{CameraId, EventKind, Label, SystemClock, Timestamp};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where the console listens unless told otherwise.
const CONSOLE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const ANY_PORT: &str = "127.0.0.1:0";
/// Filming starts once every encoder has; on a slow machine that takes a while.
const STREET_READY: Duration = Duration::from_secs(120);
/// The city opens its store and loads its models.
const CITY_READY: Duration = Duration::from_secs(60);
/// The topic both departments share.
const TOPIC: &str = "city/cases/{kind}/{camera}";

/// Signs what goes to the demo's own desk on loopback, and nothing else.
const SECRET: &str = "whsec_Y2l0eWJyYWluLWRlbW8tb24tbG9vcGJhY2stb25seQ==";

/// The demo's programs and desks.
pub struct Stage {
    street: Program,
    city: Program,
    broker: Broker,
    webhook: WebhookDepartment,
    mqtt: MqttDepartment,
    http: reqwest::Client,
    console: String,
    events: Vec<Event>,
    unscored: BTreeSet<EventKind>,
}

/// An event as the simulator's `/truth` tells it.
#[derive(Debug, Deserialize)]
struct Truth {
    camera: CameraId,
    kind: EventKind,
    visible_at: Timestamp,
}

impl Stage {
    /// Sets everything up; the street's clock runs when this returns.
    pub async fn set(args: &DemoArgs) -> anyhow::Result<Self> {
        let work = fresh_folder(&args.work_dir)?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        screen::step(1, "starting an MQTT broker (mosquitto) and the desks of two departments");
        let broker = Broker::start().await?;
        let secret: WebhookSecret = SECRET.parse()?;
        let any: SocketAddr = ANY_PORT.parse()?;
        let webhook = WebhookDepartment::start(any, secret, Arc::new(SystemClock)).await?;
        let mqtt =
            MqttDepartment::start(broker.port(), "fire-brigade", "city/cases/#", Arc::new(SystemClock))
                .await?;

        screen::step(2, "starting a simulated street of 12 cameras as RTSP servers");
        let announce = work.join("street.json");
        let mut street = Program::start(
            "street",
            &work,
            &["simulate", "--rtsp", ANY_PORT, "--http", ANY_PORT, "--announce", text_of(&announce)?],
        )?;
        let announced: AnnouncedStreet =
            serde_json::from_value(street.announced(&announce, STREET_READY).await?)?;

        screen::step(3, "writing the city's configuration");
        let models: Vec<PathBuf> = crate::lineup::shipped()?.into_iter().map(|model| model.dir).collect();
        let listen = args.listen.unwrap_or(if args.check { any } else { CONSOLE });
        let desks = Desks { webhook: &webhook.url(), secret: SECRET, broker: &broker.url(), topic: TOPIC };
        let file = work.join("citybrain.toml");
        std::fs::write(&file, config::text(&announced, &desks, &work.join("data"), listen)?)?;
        let city_config = citybrain_ingest_config::load(&file)?.city;

        screen::step(4, "making an account, and starting the city brain");
        let account = Account::make(&file).await?;
        let announce = work.join("city.json");
        let arguments = ["run", "--config", text_of(&file)?, "--announce", text_of(&announce)?];
        let mut city = Program::start("city", &work, &arguments)?;
        let address = city.announced(&announce, CITY_READY).await?;
        let console =
            address["console"].as_str().context("the city does not say where its console is")?.to_owned();

        let truth: Vec<Truth> =
            http.get(format!("http://{}/truth", announced.http)).send().await?.json().await?;
        let (events, unscored) = scored_events(truth, &city_config, &models)?;
        if events.is_empty() {
            bail!("the street holds no event of a kind that a shipped model scores");
        }
        let http = account.sign_in(&console).await?;
        screen::step(5, &format!("watching; the console is at {console}  (logs are in {})", work.display()));
        screen::account(&account);
        Ok(Self { street, city, broker, webhook, mqtt, http, console, events, unscored })
    }

    /// The script's events that a shipped model scores.
    pub fn events(&self) -> Vec<Event> {
        self.events.clone()
    }

    /// Kinds of the script that no shipped model scores.
    pub const fn unscored(&self) -> &BTreeSet<EventKind> {
        &self.unscored
    }

    /// Address of console and API, with a slash at its end.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// A client to ask them with.
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// What has arrived on both desks.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.webhook.received().into_iter().chain(self.mqtt.received()).filter_map(arrival).collect()
    }

    /// Fails when one of the programs has ended by itself.
    pub fn still_plays(&mut self) -> anyhow::Result<()> {
        self.street.still_runs()?;
        self.city.still_runs()
    }

    /// Ends everything, the city first, so that nothing is taken away from under it.
    pub async fn clear(self) -> anyhow::Result<()> {
        let Self { street, city, mut broker, .. } = self;
        let ended = city.end().await?;
        street.end().await?;
        broker.kill().await?;
        if !ended.success() {
            bail!("the city brain ended with {ended} when asked to stop");
        }
        Ok(())
    }
}

fn arrival(received: Received) -> Option<Arrival> {
    let via = match received.via {
        Via::Webhook => "webhook",
        Via::Mqtt => "mqtt",
    };
    let case = received.case_id?.to_string();
    Some(Arrival { case, via: via.to_owned(), key: received.key, event: received.event, at: received.at })
}

/// One event per camera and kind, from the moment its first sign could be seen.
fn scored_events(
    truth: Vec<Truth>,
    city: &City,
    models: &[PathBuf],
) -> anyhow::Result<(Vec<Event>, BTreeSet<EventKind>)> {
    let mut labels: BTreeSet<Label> = BTreeSet::new();
    for dir in models {
        labels.extend(Manifest::read(dir)?.labels);
    }
    let mut first: BTreeMap<(Timestamp, CameraId, EventKind), ()> = BTreeMap::new();
    let mut seen: BTreeSet<(CameraId, EventKind)> = BTreeSet::new();
    let mut truth = truth;
    truth.sort_by_key(|event| event.visible_at);
    for event in truth {
        if seen.insert((event.camera.clone(), event.kind.clone())) {
            first.insert((event.visible_at, event.camera, event.kind), ());
        }
    }
    let mut unscored = BTreeSet::new();
    let mut events = Vec::new();
    for (visible_at, camera, kind) in first.into_keys() {
        match city.kinds.get(&kind).filter(|row| !row.labels.is_disjoint(&labels)) {
            Some(row) => {
                let deadline = row.deadline;
                let confirm_within = row.incident.confirm_within;
                let camera = camera.to_string();
                events.push(Event { kind, camera, visible_at, deadline, confirm_within });
            }
            None => {
                unscored.insert(kind);
            }
        }
    }
    Ok((events, unscored))
}

/// Empties the demo's own folder, and no other: one that holds anything the demo did not write is left alone.
fn fresh_folder(dir: &Path) -> anyhow::Result<PathBuf> {
    const MARK: &str = ".citybrain-demo";
    if dir.exists() {
        let is_empty = std::fs::read_dir(dir)?.next().is_none();
        if !is_empty && !dir.join(MARK).exists() {
            bail!("{} is not empty and not a folder of the demo: give another --work-dir", dir.display());
        }
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    std::fs::write(dir.join(MARK), "everything in here is written by citybrain demo\n")?;
    dir.canonicalize().with_context(|| format!("cannot find {}", dir.display()))
}

fn text_of(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
