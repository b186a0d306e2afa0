//! `citybrain run`: a whole city in one process; and `citybrain check`.

use crate::cli::{CheckArgs, RunArgs};
use crate::editor::Editor;
use crate::lineup;
use crate::server;
use crate::signals::{Asked, Signals};
use anyhow::Context;
use citybrain_dispatcher::{Dispatcher, DispatcherParts};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Model, SignIn};
use citybrain_models::{Detector, Manifest, Runtime, SessionOptions, coverage};
use citybrain_pipeline::{LoadedModels, Pipeline, PipelineParts};
use citybrain_types::{Label, SystemClock};
use prometheus_client::registry::Registry;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Batches on their way from pipeline to dispatcher. A batch is at most 100 ms of a city, so this is a few seconds of
/// commits that take long; what comes on top is spooled to disk by the pipeline.
const BUS_CAPACITY: usize = 64;
/// Folder for database and snapshots when there is no configuration.
const DATA_DIR: &str = "citybrain-data";

/// Runs a city until SIGINT or SIGTERM.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    crate::tls::install();
    let city = match &args.config {
        Some(file) => read(file)?,
        None => without_file(&args)?,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().thread_name("citybrain").enable_all().build()?;
    runtime.block_on(live(&args, with_listener(city, &args)))?;
    Ok(ExitCode::SUCCESS)
}

/// Says everything that is wrong with a configuration; exit code 1 when anything is.
#[allow(clippy::print_stdout, reason = "the report is what this command is run for")]
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let report = citybrain_ingest_config::check(&args.config);
    print!("{report}");
    if !report.is_ok() {
        return Ok(ExitCode::FAILURE);
    }
    if args.no_models {
        return Ok(ExitCode::SUCCESS);
    }
    let city = with_models(citybrain_ingest_config::load(&args.config)?.city)?;
    let mut sound = true;
    let mut labels: Vec<Vec<Label>> = Vec::new();
    let runtime = Runtime::load(None)?;
    for model in &city.models {
        let options = SessionOptions {
            provider: model.provider,
            precision: model.precision,
            ..SessionOptions::default()
        };
        labels.push(match Detector::load(&model.dir, &runtime, options) {
            Ok(detector) => {
                println!("model {} loads and answers", detector.model_id());
                detector.labels().to_vec()
            }
            Err(error) => {
                sound = false;
                println!("model {}: {error}", model.dir.display());
                Vec::new()
            }
        });
    }
    let by_model: Vec<&[Label]> = labels.iter().map(Vec::as_slice).collect();
    // Of a model that does not load it is not known what it speaks of.
    let never = if sound { coverage::never_asked(&city, &by_model) } else { Vec::new() };
    sound &= never.is_empty();
    never.iter().for_each(|never| println!("{never}"));
    for gap in coverage::gaps(&city, labels.iter().flatten()) {
        println!("note: {gap}");
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> anyhow::Result<City> {
    let loaded = citybrain_ingest_config::load(file)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    with_models(loaded.city)
}

fn without_file(args: &RunArgs) -> anyhow::Result<City> {
    let data_dir = args.data_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let models = args.model.iter().cloned().map(Model::of).collect();
    with_models(City::for_cameras(&args.camera, &data_dir, models)?)
}

/// A city that names no model gets the shipped ones.
pub fn with_models(mut city: City) -> anyhow::Result<City> {
    if city.models.is_empty() {
        city.models = lineup::shipped()?;
    }
    Ok(city)
}

fn with_listener(mut city: City, args: &RunArgs) -> City {
    if let Some(listen) = args.listen {
        city.site.listen = listen;
    }
    if args.open {
        city.people.sign_in = SignIn::Open;
    }
    city
}

/// The rooms of a running city.
struct House {
    pipeline: Pipeline,
    dispatcher: Dispatcher,
}

async fn live(args: &RunArgs, mut city: City) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind(city.site.listen).await.with_context(|| {
        format!("cannot listen on {}: is another citybrain running there?", city.site.listen)
    })?;
    server::learn_address(&mut city, listener.local_addr()?);
    let city = Arc::new(city);

    citybrain_pipeline::open_files::allow(city.cameras.len());
    let mut registry = Registry::default();
    let house = open(&city, &mut registry).await?;
    let (editor, mut edits) = Editor::beside(args.config.as_deref());
    let services = house.dispatcher.services();
    let serving = server::Serving::start(listener, services.clone(), Arc::new(registry), editor);
    let console = format!("http://{}/", city.site.listen);
    tracing::info!(%console, cameras = city.cameras.len(), version = %city.version, "the city is watched");
    if let Some(file) = &args.announce {
        crate::announce::write(file, &json!({ "console": console, "pid": std::process::id() }))
            .with_context(|| format!("cannot announce the console in {}", file.display()))?;
    }
    let mut policies = house.dispatcher.services().policies().watch();
    tokio::task::block_in_place(|| follow_if_any(&house));
    loop {
        // Models may have to be loaded: that blocks, and the API has to answer meanwhile.
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => {
                    let outcome = tokio::task::block_in_place(|| reload(&house, args, &city));
                    services.people().record("system", "config.reload", &outcome.0, outcome.1).await;
                }
                Asked::Stop => break,
            },
            Some(edit) = edits.recv() => tokio::task::block_in_place(|| {
                let in_force = house.dispatcher.services().city().version.clone();
                edit.carry_out(&in_force, |next| bring_into_force(&house, args, next, &city));
            }),
            Ok(()) = policies.changed() => tokio::task::block_in_place(|| follow(&house)),
        }
    }
    tracing::info!("asked to stop: cameras are let go, what is under way is finished");
    house.pipeline.shutdown().await;
    house.dispatcher.shutdown().await;
    serving.stop().await;
    tracing::info!("stopped");
    Ok(())
}

async fn open(city: &Arc<City>, registry: &mut Registry) -> anyhow::Result<House> {
    report_gaps(city)?;
    let (runtime, session) = (Runtime::load(None)?, SessionOptions::default());
    let models = tokio::task::block_in_place(|| {
        let mut models = LoadedModels::load(city, &runtime, session)?;
        crate::plan::admit(city, &mut models)?;
        Ok::<_, anyhow::Error>(models)
    })?;
    let clock = Arc::new(SystemClock);
    let (bus, batches) = mpsc::channel(BUS_CAPACITY);
    let parts =
        PipelineParts { city: Arc::clone(city), runtime, session, clock: clock.clone(), bus, registry };
    let pipeline = citybrain_pipeline::start_with(parts, models)?;
    let dispatcher = citybrain_dispatcher::start(DispatcherParts {
        city: Arc::clone(city),
        bus: batches,
        cameras: pipeline.cameras(),
        focus: pipeline.focus(),
        clock,
        registry,
    })
    .await?;
    dispatcher.services().lend_photo_cover(Arc::new(citybrain_pipeline::snapshot::PhotoVeil));
    Ok(House { pipeline, dispatcher })
}

/// A kind that no model scores is never found: that is said once, aloud, and not left to be noticed.
fn report_gaps(city: &City) -> anyhow::Result<()> {
    let mut labels = Vec::new();
    for model in &city.models {
        labels.extend(Manifest::read(&model.dir)?.labels);
    }
    for gap in coverage::gaps(city, &labels) {
        tracing::warn!("{gap}");
    }
    Ok(())
}

/// What was in force before a start or a reload still is.
fn follow_if_any(house: &House) {
    if !house.dispatcher.services().policies().in_force().policy.is_empty() {
        follow(house);
    }
}

/// Has the pipeline keep pictures by the thresholds of the policy in force.
fn follow(house: &House) {
    let city = house.dispatcher.services().policies().city_in_force();
    if let Err(error) = house.pipeline.reload(&city) {
        tracing::error!("the pipeline does not go on under the policy in force:\n{error:#}");
    }
}

/// Reads the configuration again; one with errors is refused whole. Says which version it was and what became of it.
fn reload(house: &House, args: &RunArgs, in_force: &City) -> (String, &'static str) {
    const REFUSED: &str = "refused; the one in force stays";
    let Some(file) = &args.config else {
        tracing::warn!("there is no configuration file to read again");
        return (String::new(), REFUSED);
    };
    match read(file) {
        Ok(next) => {
            let version = next.version.clone();
            if let Err(error) = bring_into_force(house, args, next, in_force) {
                tracing::error!("the configuration in force stays; the new one was refused:\n{error:#}");
                return (version, REFUSED);
            }
            (version, "in force")
        }
        Err(error) => {
            tracing::error!("the configuration in force stays; the new one was refused:\n{error:#}");
            (String::new(), REFUSED)
        }
    }
}

/// Goes on under another city; the one in force stays when this one is refused.
fn bring_into_force(house: &House, args: &RunArgs, mut city: City, in_force: &City) -> anyhow::Result<()> {
    city.site = in_force.site.clone();
    if args.open {
        city.people.sign_in = SignIn::Open;
    }
    anyhow::ensure!(!city.is_open_to_strangers(), "with it everybody would be let in");
    crate::plan::admit_again(&city, &Runtime::load(None)?)?;
    let city = Arc::new(city);
    house.pipeline.reload(&city)?;
    house.dispatcher.reload(Arc::clone(&city));
    follow_if_any(house);
    tracing::info!(version = %city.version, "the configuration was read again and is in force");
    Ok(())
}
