//! The command line: what can be said, and nothing of what is done about it.

use citybrain_dispatcher::people::Role;
use citybrain_dispatcher::people::audit::Head;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// City cameras in, cases on a department's desk out.
#[derive(Debug, Parser)]
#[command(name = "citybrain", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human, env = "CITYBRAIN_LOG_FORMAT")]
    pub log_format: LogFormat,

    /// What is logged: a level, or a list such as `info,citybrain_pipeline=debug`.
    #[arg(long, global = true, default_value = "info", env = "CITYBRAIN_LOG")]
    pub log: String,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch cameras, open cases, hand them to departments.
    Run(RunArgs),
    /// Check a configuration and say everything that is wrong with it.
    Check(CheckArgs),
    /// Tell whether a city fits on this machine, which promise would break first, and what would make it fit.
    Plan(PlanArgs),
    /// Serve a simulated street as real RTSP cameras.
    Simulate(SimulateArgs),
    /// Run a simulated street and a city brain on it.
    Demo(DemoArgs),
    /// Decide again which cases a detection log leads to: the same log and configuration give the same bytes.
    Replay(ReplayArgs),
    /// Tell what other thresholds would have done: the log, judged again under each of them in one pass.
    Tune(TuneArgs),
    /// Measure the shipped models, or others, on labelled pictures and clips.
    Eval(EvalArgs),
    /// Look into models.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Look whether this machine and what a configuration names will do, and say what to do where not.
    Doctor(DoctorArgs),
    /// Make, list and change users, beside a city that runs or before it does.
    #[command(subcommand)]
    User(UserCommand),
    /// Look into the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print completions for a shell: citybrain completions bash > /etc/bash_completion.d/citybrain
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page: citybrain man > /usr/local/share/man/man1/citybrain.1
    Man,
    /// Write the generated reference pages, or check that they are fresh.
    Docs(DocsArgs),
}

/// Arguments of `citybrain replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The log: a file, or a folder of them such as `detections` below the data folder, which is the default. What the
    /// city keeps in a store elsewhere is brought there first.
    #[arg(value_name = "LOG")]
    pub recorded: Option<PathBuf>,

    /// Configuration file.
    #[arg(long, short, env = "CITYBRAIN_CONFIG")]
    pub config: PathBuf,
}

/// Arguments of `citybrain tune`.
///
/// Ranges are `0.3..0.8` (eleven values), `0.3..0.8/6` (six) or `0.3,0.5`; of several, every combination is a policy.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// The log: a folder such as `detections` below the data folder, which is the default, or a file. What the city keeps
    /// in a store elsewhere is brought there first.
    #[arg(value_name = "LOG")]
    pub recorded: Option<PathBuf>,

    /// Configuration file: the policy in force, with which the others are compared.
    #[arg(long, short, env = "CITYBRAIN_CONFIG")]
    pub config: PathBuf,

    /// The kind whose numbers are tried. Can be given several times.
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,

    /// From this score on a detection is a hit: 0.3..0.8, 0.3..0.8/6 or 0.3,0.5.
    #[arg(long, value_name = "RANGE")]
    pub hit_score: Option<crate::tune::Range>,

    /// Evidence loses half of itself in so many seconds.
    #[arg(long, value_name = "RANGE")]
    pub half_life: Option<crate::tune::Range>,

    /// Evidence opens at so many nats.
    #[arg(long, value_name = "RANGE")]
    pub open_at: Option<crate::tune::Range>,

    /// So many hits among so many looks, for instance 3/8. Can be given several times.
    #[arg(long, value_name = "K/N", value_parser = crate::tune::parse_hits)]
    pub hits: Vec<(u32, u32)>,

    /// Not seen for so many seconds, a happening is over, and the next sighting opens another case.
    #[arg(long, value_name = "RANGE")]
    pub cooldown: Option<crate::tune::Range>,

    /// Try them in this camera only, and tell of it only.
    #[arg(long, value_name = "ID", conflicts_with_all = ["area", "cooldown"])]
    pub camera: Option<String>,

    /// Try them in the cameras of this area only, and tell of these only.
    #[arg(long, value_name = "NAME", conflicts_with = "cooldown")]
    pub area: Option<String>,

    /// A policy of its own, as JSON: rules as the API takes them, and a name. Can be given several times.
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,

    /// What is known: verdicts and events, as JSON.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,

    /// Known events, as a JSON array of {camera, kind, from, to}.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,

    /// The known events are all there were: a case that belongs to none is false.
    #[arg(long)]
    pub complete: bool,

    /// Suggest the policy that opens at most so many cases a camera and day.
    #[arg(long, value_name = "CASES", value_parser = crate::tune::parse_positive)]
    pub budget: Option<f64>,

    /// Suggest the policy that misses at most this share of events.
    #[arg(long, value_name = "SHARE", value_parser = crate::tune::parse_share)]
    pub miss_rate: Option<f64>,

    /// For which cameras a suggestion is made.
    #[arg(long, value_enum, default_value_t = TunePer::City)]
    pub per: TunePer,

    /// Fit how sure the models may be from the verdicts of the review, as the console does, and tell the calibration error
    /// before and after; of the kinds given with --kind, or of all. With --json the calibration is printed as a policy.
    #[arg(long, conflicts_with_all = [
        "recorded", "hit_score", "half_life", "open_at", "hits", "cooldown", "camera", "area", "policy", "truth", "events",
        "complete", "budget", "miss_rate", "per", "html", "snapshots",
    ])]
    pub calibrate: bool,

    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,

    /// Write the report as a self-contained page, with its curves and the pictures of gained and lost cases, to this file.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Folder of the pictures; `snapshots` below the data folder by default.
    #[arg(long, value_name = "DIR")]
    pub snapshots: Option<PathBuf>,
}

/// For which cameras a suggestion is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TunePer {
    /// All together.
    City,
    /// Those of each area.
    Area,
    /// Each.
    Camera,
}

/// Arguments of `citybrain run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration file; read again on SIGHUP.
    #[arg(long, short, env = "CITYBRAIN_CONFIG", conflicts_with_all = ["camera", "model", "data_dir"], required_unless_present = "camera")]
    pub config: Option<PathBuf>,

    /// A camera to watch without a configuration: rtsp://user:pass@host/path, http(s)://…, v4l2:///dev/video0 or
    /// a video file. Can be given several times.
    #[arg(long, value_name = "ADDRESS")]
    pub camera: Vec<String>,

    /// Model folder to use with --camera; the shipped models by default. Can be given several times.
    #[arg(long, value_name = "DIR")]
    pub model: Vec<PathBuf>,

    /// Folder for database and snapshots with --camera [default: citybrain-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Where console and API listen, instead of what the configuration says.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,

    /// Let everyone on this machine in without signing in, whatever the configuration says; refused unless it listens on a
    /// loopback address.
    #[arg(long)]
    pub open: bool,

    /// Write the address the console listens on to this file once it does.
    #[arg(long, value_name = "FILE")]
    pub announce: Option<PathBuf>,
}

/// Where users and their log are kept.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// Configuration file that names the data folder.
    #[arg(long, short, env = "CITYBRAIN_CONFIG")]
    pub config: Option<PathBuf>,
    /// The data folder itself.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Makes, lists and changes users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user. A password is made and printed unless one is given on standard input.
    Add {
        /// 1 to 40 letters, digits, '.', '_' and '-'.
        name: String,
        /// viewer, operator, supervisor or admin.
        #[arg(long, default_value = "operator")]
        role: Role,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        data: DataArgs,
    },
    /// List every user.
    List {
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Give a user another password; every session of his is over. One is made and printed unless one is given.
    ResetPassword {
        /// The user.
        name: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Give a user another role.
    Role {
        /// The user.
        name: String,
        /// viewer, operator, supervisor or admin.
        role: Role,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Shut a user out; sessions end, tokens are good for nothing.
    Disable {
        /// The user.
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Let a user in again.
    Enable {
        /// The user.
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

impl UserCommand {
    /// Where users are kept.
    pub const fn data(&self) -> &DataArgs {
        match self {
            Self::Add { data, .. }
            | Self::List { data, .. }
            | Self::ResetPassword { data, .. }
            | Self::Role { data, .. }
            | Self::Disable { data, .. }
            | Self::Enable { data, .. } => data,
        }
    }
}

/// Looks into the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Follow the chain from the first row to the last: nothing was changed, taken out or moved.
    Verify {
        /// A head that was noted elsewhere, NUMBER:HASH, which has to be met on the way.
        #[arg(long, value_name = "HEAD")]
        expect: Option<Head>,
        /// Print what was found as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Print number and hash of the newest row, to be noted elsewhere.
    Head {
        #[command(flatten)]
        data: DataArgs,
    },
}

impl AuditCommand {
    /// Where the log is kept.
    pub const fn data(&self) -> &DataArgs {
        match self {
            Self::Verify { data, .. } | Self::Head { data } => data,
        }
    }
}

/// Arguments of `citybrain check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Configuration file.
    pub config: PathBuf,
    /// Do not load the models it names.
    #[arg(long)]
    pub no_models: bool,
}

/// Arguments of `citybrain plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Configuration file.
    pub config: PathBuf,
    /// Measure this machine again, though it was measured before with these models.
    #[arg(long)]
    pub calibrate: bool,
    /// Size of all cameras' pictures [default: as each was seen last, 1280x720 where it never was].
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = crate::farm::parse_size)]
    pub picture: Option<(u32, u32)>,
    /// Print plan and measured costs as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `citybrain simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Street script to play; the built-in demo street by default.
    #[arg(long, value_name = "FILE", conflicts_with = "clips")]
    pub street: Option<PathBuf>,

    /// Serve each video file of this folder as a camera instead.
    #[arg(long, value_name = "DIR")]
    pub clips: Option<PathBuf>,

    /// Where RTSP is served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8554")]
    pub rtsp: SocketAddr,

    /// Where the list of cameras and the ground truth are served over HTTP; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8555")]
    pub http: SocketAddr,

    /// Write where everything is served to this file, as JSON, once it is.
    #[arg(long, value_name = "FILE")]
    pub announce: Option<PathBuf>,

    #[command(flatten)]
    pub farm: FarmArgs,
}

/// A farm instead of a street: many cameras from four films, encoded once.
#[derive(Debug, Args)]
#[command(next_help_heading = "A farm of many cameras")]
pub struct FarmArgs {
    /// Serve this many cameras, farm-0000 and on, each at its own place in one of four filmed streets (or in the files of
    /// --clips).
    #[arg(long, value_name = "N", conflicts_with = "street")]
    pub cameras: Option<usize>,

    /// Size of the picture.
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = crate::farm::parse_size, requires = "cameras")]
    pub size: (u32, u32),

    /// How it is compressed: h264 or h265.
    #[arg(long, default_value = "h264", requires = "cameras")]
    pub codec: String,

    /// Frames per second.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=30), requires = "cameras")]
    pub fps: u32,

    /// Bit rate to aim at, in kbit/s.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(32..=20_000), requires = "cameras")]
    pub bitrate_kbps: u32,

    /// Seconds from keyframe to keyframe.
    #[arg(long, default_value_t = 2.0, requires = "cameras")]
    pub keyframe_secs: f64,

    /// Seconds of street that are filmed and then shown again and again.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=60), requires = "cameras")]
    pub clip_secs: u64,

    /// Give the last COUNT cameras a fault: stall (nothing after 20 s), drop (closed every 15 s), garbage, slow (20 kB/s) or
    /// mute. Can be given several times.
    #[arg(long = "fault", value_name = "KIND=COUNT", value_parser = crate::farm::parse_fault, requires = "cameras")]
    pub faults: Vec<(citybrain_simulator::Fault, usize)>,

    /// All keyframes at once: the worst burst that cameras can make.
    #[arg(long, requires = "cameras")]
    pub aligned_keyframes: bool,

    /// Write a configuration of these cameras to this file, for citybrain run --config.
    #[arg(long, value_name = "FILE", requires = "cameras")]
    pub city: Option<PathBuf>,

    /// What the cameras of that configuration look for.
    #[arg(long, value_name = "KIND", value_delimiter = ',', default_value = "fire", requires = "cameras")]
    pub kinds: Vec<String>,
}

/// Arguments of `citybrain demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End by itself: exit code 0 when every scripted event became exactly one case in time, delivered over webhook
    /// and MQTT, and quiet cameras produced none.
    #[arg(long)]
    pub check: bool,

    /// Write one row per event to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Where the console listens [default: 127.0.0.1:8080, or a free port with --check].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,

    /// Folder for everything the demo writes; emptied at each start.
    #[arg(long, value_name = "DIR", default_value = ".citybrain/demo")]
    pub work_dir: PathBuf,
}

/// Arguments of `citybrain eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Folder of labelled pictures and clips: annotations.json, labels.csv, images/, clips.csv, clips/.
    #[arg(long, value_name = "DIR", env = "DATA")]
    pub data: PathBuf,

    /// Which split to measure on: val, train or all.
    #[arg(long, default_value = "val")]
    pub split: String,

    /// Model folder; the shipped models by default. Can be given several times: they answer together.
    #[arg(long, value_name = "DIR")]
    pub model: Vec<PathBuf>,

    /// Look at so many pictures only, spread evenly.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Do not play the clips.
    #[arg(long)]
    pub no_clips: bool,

    /// Folder for report.html, report.json and scores.csv.
    #[arg(long, value_name = "DIR", default_value = ".citybrain/eval")]
    pub out: PathBuf,

    /// Write file_name,kind,score for every picture and kind to this file instead.
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,

    /// Write the figures as JSON to this file instead.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the figures as a self-contained HTML page to this file instead.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Write each model's figures into its card.
    #[arg(long)]
    pub update_card: bool,
}

/// Looks into models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Load a model folder, check every claim of its model.toml, run it on a picture.
    Check {
        /// Folder with model.toml.
        dir: PathBuf,
        /// Picture to run it on; a grey one by default.
        #[arg(long, value_name = "FILE")]
        image: Option<PathBuf>,
        /// Write the picture with boxes drawn to this file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Tell the inputs and outputs of an ONNX file, guess its head and draft a model.toml.
    Inspect {
        /// The ONNX file.
        file: PathBuf,
        /// Write the draft to this file instead of printing it; one that exists is left alone.
        #[arg(long, value_name = "FILE", conflicts_with = "write")]
        draft: Option<PathBuf>,
        /// Make a model folder of a copy of the ONNX file and the draft.
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
}

/// Arguments of `citybrain doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Configuration whose cameras, destinations, models and folders are looked at, too.
    #[arg(long, short, env = "CITYBRAIN_CONFIG")]
    pub config: Option<PathBuf>,

    /// Print the findings as JSON: an array of {check, verdict, found, advice}; verdict is ok, warning or failure.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `citybrain docs`.
#[derive(Debug, Args)]
pub struct DocsArgs {
    /// Folder of the reference pages.
    #[arg(long, value_name = "DIR", default_value = "docs/reference")]
    pub dir: PathBuf,
    /// Write nothing; fail when a page is stale.
    #[arg(long)]
    pub check: bool,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_log_to_replay_is_no_list_of_levels_to_log() {
        let line = ["citybrain", "--log", "debug", "replay", "data/detections", "--config", "city.toml"];
        let cli = Cli::try_parse_from(line).unwrap();
        let Command::Replay(args) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!((cli.log.as_str(), args.recorded), ("debug", Some(PathBuf::from("data/detections"))));
    }
}
