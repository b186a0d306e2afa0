//! Dashboards and alert rules speak of metrics that exist: every expression in `deploy/` against a city that runs.

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::{City, root, until};

/// What a city without a mishap has not counted yet, and therefore does not show: name, type, labels. That such a metric is
/// registered is looked up in the source.
const NOT_YET: &[(&str, &str, &[&str])] = &[
    ("citybrain_intake_refused", "counter", &["reason"]),
    ("citybrain_store_failures", "counter", &["reason"]),
    ("citybrain_snapshot_failures", "counter", &["reason"]),
    ("citybrain_spool_losses", "counter", &["reason"]),
    ("citybrain_sightings_held", "counter", &["kind", "reason"]),
    ("citybrain_permit_entries", "gauge", &["register", "state"]),
    ("citybrain_destination_down", "gauge", &["destination"]),
    ("citybrain_capture_to_delivery_seconds", "histogram", &["kind", "destination"]),
    ("citybrain_deliveries", "counter", &["destination", "outcome"]),
    ("citybrain_case_actions", "counter", &["kind", "action"]),
    ("citybrain_decode_failures", "counter", &["codec", "reason"]),
    ("citybrain_cascade", "counter", &["model", "outcome"]),
    ("citybrain_polls", "counter", &["outcome"]),
    ("citybrain_sensor_messages_refused", "counter", &["reason"]),
    ("citybrain_requests_turned_away", "counter", &["reason"]),
    ("citybrain_camera_failures", "counter", &["reason"]),
    ("citybrain_capture_dropped", "counter", &["reason"]),
    ("citybrain_cameras_impaired", "gauge", &["fault"]),
    ("citybrain_gate", "counter", &["verdict"]),
    ("citybrain_camera_connects", "counter", &[]),
    ("citybrain_looks_missed", "counter", &["kind"]),
    ("citybrain_look_age_seconds", "histogram", &["kind"]),
];

/// What stands before a parenthesis and is no metric.
const FUNCTIONS: &[&str] = &["sum", "rate", "increase", "histogram_quantile", "by", "on", "avg", "max"];
/// Words between operands.
const WORDS: &[&str] = &["and", "or", "unless"];
/// Bars of the dashboards: what an operator looks for.
const COVERED: &[&str] = &[
    "citybrain_look_stretch",
    "citybrain_pipeline_stage_seconds",
    "citybrain_dispatch_stage_seconds",
    "citybrain_coverage",
    "citybrain_cameras",
    "citybrain_cases",
    "citybrain_deliveries",
    "citybrain_sign_ins",
];
const ALERTS: &[&str] = &[
    "FireDeadlineMissed",
    "CoverageLow",
    "DeadLetters",
    "SpoolOverBudget",
    "CamerasFailed",
    "ClockWrong",
    "NoLooks",
];

/// What `/metrics` says.
struct Exposed {
    /// Type by name.
    kinds: BTreeMap<String, String>,
    /// Label names by name of the family.
    labels: BTreeMap<String, BTreeSet<String>>,
    /// Bounds of histograms.
    bounds: BTreeMap<String, BTreeSet<String>>,
}

impl Exposed {
    fn read(text: &str) -> Self {
        let mut exposed = Self { kinds: BTreeMap::new(), labels: BTreeMap::new(), bounds: BTreeMap::new() };
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                exposed.kinds.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap_or_default();
                let family = exposed.family(name).unwrap_or_else(|| panic!("{name} has no type")).0;
                let labels = line.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
                let known = exposed.labels.entry(family.clone()).or_default();
                for (label, value) in pairs(labels.map_or("", |(labels, _)| labels)) {
                    if label == "le" {
                        exposed.bounds.entry(family.clone()).or_default().insert(value);
                    }
                    known.insert(label);
                }
            }
        }
        let sources = sources();
        for (name, kind, _) in NOT_YET {
            let short = name.trim_start_matches("citybrain_");
            let is_registered = [*name, short].iter().any(|name| sources.contains(&format!("\"{name}\"")));
            assert!(is_registered, "{name} is registered nowhere");
            exposed.kinds.entry((*name).to_owned()).or_insert_with(|| (*kind).to_owned());
        }
        exposed
    }

    /// The family of a series, and what is appended to its name.
    fn family<'n>(&self, series: &'n str) -> Option<(String, &'n str)> {
        ["_total", "_bucket", "_sum", "_count", ""].into_iter().find_map(|end| {
            let family = series.strip_suffix(end)?;
            let kind = self.kinds.get(family)?;
            let fits = match end {
                "_total" => kind == "counter",
                "" => kind == "gauge",
                _ => kind == "histogram",
            };
            fits.then(|| (family.to_owned(), &series[family.len()..]))
        })
    }

    fn labels(&self, family: &str) -> BTreeSet<String> {
        let mut labels = self.labels.get(family).cloned().unwrap_or_default();
        let not_yet = NOT_YET.iter().filter(|(name, ..)| *name == family).flat_map(|(.., labels)| *labels);
        labels.extend(not_yet.map(|label| (*label).to_owned()));
        labels
    }
}

/// The source of the rooms that count.
fn sources() -> String {
    let mut folders = vec![root().join("pipeline/src"), root().join("dispatcher/src")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the source") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                text.push_str(&std::fs::read_to_string(path).expect("it can be read"));
            }
        }
    }
    text
}

/// `a="b",c=~"d"` as pairs.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((label, after)) = rest.split_once(['=', '!']) {
        let quoted = after.trim_start_matches(['=', '~', '!']);
        let value = quoted.strip_prefix('"').and_then(|value| value.split_once('"'));
        let (value, left) = value.unwrap_or_else(|| panic!("'{text}' is no list of labels"));
        pairs.push((label.trim_matches([',', ' ']).to_owned(), value.to_owned()));
        rest = left.trim_start_matches([',', ' ']);
    }
    pairs
}

/// Series with their selectors, and labels that are grouped by.
#[derive(Default)]
struct Spoken {
    series: Vec<(String, Vec<(String, String)>)>,
    grouped: BTreeSet<String>,
}

/// Reads an expression; panics where it is none.
fn read(expression: &str) -> Spoken {
    let mut spoken = Spoken::default();
    let mut open = Vec::new();
    let mut rest = expression;
    let mut before = String::new();
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = &rest[..end];
            rest = &rest[end..];
            let called = rest.trim_start().starts_with('(');
            if open.last().is_some_and(|by| *by) {
                spoken.grouped.insert(word.to_owned());
            } else if called {
                assert!(FUNCTIONS.contains(&word) || WORDS.contains(&word), "'{word}' in {expression}");
            } else if !FUNCTIONS.contains(&word) && !WORDS.contains(&word) {
                let selector = rest.strip_prefix('{').map(|inner| {
                    let (inner, after) = inner.split_once('}').unwrap_or_else(|| panic!("{expression}"));
                    rest = after;
                    pairs(inner)
                });
                if let Some((range, after)) = rest.strip_prefix('[').and_then(|range| range.split_once(']')) {
                    let (number, unit) = range.split_at(range.len() - 1);
                    assert!(
                        number.parse::<u32>().is_ok() && "smhd".contains(unit),
                        "[{range}] in {expression}"
                    );
                    rest = after;
                }
                spoken.series.push((word.to_owned(), selector.unwrap_or_default()));
            }
            before = word.to_owned();
            continue;
        }
        match first {
            '(' => open.push(matches!(before.as_str(), "by" | "on")),
            ')' => assert!(open.pop().is_some(), "a parenthesis too many in {expression}"),
            _ => assert!("0123456789. ,+-*/<>=!".contains(first), "'{first}' in {expression}"),
        }
        if !first.is_whitespace() {
            before.clear();
        }
        rest = &rest[first.len_utf8()..];
    }
    assert!(open.is_empty() && !spoken.series.is_empty(), "{expression} is not closed, or speaks of nothing");
    spoken
}

/// Checks one expression, and what its legend names.
fn check(exposed: &Exposed, expression: &str, legend: &str) -> Vec<String> {
    let spoken = read(expression);
    let mut families = Vec::new();
    for (series, selector) in &spoken.series {
        if series == "up" {
            continue;
        }
        let (family, end) = exposed
            .family(series)
            .unwrap_or_else(|| panic!("there is no series {series}, of which speaks {expression}"));
        let labels = exposed.labels(&family);
        for (label, value) in selector {
            assert!(labels.contains(label) || label == "le", "{family} has no label {label}: {expression}");
            let bounds = exposed.bounds.get(&family);
            let is_bound = label != "le" || bounds.is_none_or(|bounds| bounds.contains(value));
            assert!(is_bound, "{family} has no bound {value}: {expression}");
        }
        for label in spoken.grouped.iter().filter(|label| *label != "le" || end != "_bucket") {
            assert!(labels.contains(label), "{family} has no label {label}: {expression}");
        }
        for name in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
            let label = name.trim().trim_start_matches("$labels.");
            assert!(labels.contains(label), "{family} has no label {label}: {legend}");
        }
        families.push(family);
    }
    families
}

/// A city of one kind of event that opens a case and sends it to a desk where nobody is.
fn city(work: &std::path::Path) -> City {
    let film = "color=black:size=640x360:rate=10:duration=90,drawbox=color=white:t=fill:enable='gte(t,4)'";
    let clip = support::film(work, film);
    let text = format!(
        "[site]\ndata_dir = \"{}\"\n\n[[cameras]]\nid = \"lamp\"\nurl = \"file://{}\"\nkinds = [\"light\"]\n\n\
         [[kinds]]\ncode = \"light\"\nnames = {{ en = \"Light\" }}\nlabels = [\"bright\"]\ndeadline_secs = 60\n\
         look_interval_secs = 1\nhandle_within_minutes = 60\n\n[[models]]\ndir = \"{}\"\n",
        work.join("data").display(),
        clip.display(),
        root().join("models/fixtures/brightness_heatmap").display()
    );
    let config = work.join("citybrain.toml");
    std::fs::write(&config, text).expect("the configuration can be written");
    City::start(work, &["--config", config.to_str().expect("UTF-8")])
}

#[test]
fn every_expression_of_the_dashboards_and_alerts_speaks_of_what_a_running_city_exposes() {
    let work = tempfile::tempdir().expect("a folder");
    let city = city(work.path());
    let counted = until(Duration::from_secs(90), || {
        let text = city.page("metrics");
        text.contains("citybrain_capture_to_case_seconds_count{kind=\"light\"").then_some(text)
    });
    let text = counted.unwrap_or_else(|| panic!("no case was opened:\n{}", city.log()));
    let exposed = Exposed::read(&text);
    let mut families = BTreeSet::new();
    let mut checked = 0;

    let folder = root().join("deploy/grafana");
    for file in std::fs::read_dir(folder).expect("there are dashboards") {
        let path = file.expect("it can be listed").path();
        let board: Value =
            serde_json::from_slice(&std::fs::read(&path).expect("it can be read")).expect("JSON");
        let mut ids = BTreeSet::new();
        for panel in board["panels"].as_array().expect("panels") {
            assert!(ids.insert(panel["id"].as_u64()), "an id is used twice in {}", path.display());
            for target in panel["targets"].as_array().expect("targets") {
                let expression = target["expr"].as_str().expect("an expression");
                let legend = target["legendFormat"].as_str().unwrap_or_default();
                families.extend(check(&exposed, expression, legend));
                checked += 1;
            }
        }
    }
    for family in COVERED {
        assert!(families.contains(*family), "no dashboard shows {family}");
    }

    let rules = std::fs::read_to_string(root().join("deploy/prometheus/citybrain.rules.yml")).expect("rules");
    let mut alert = "";
    let mut alerts = BTreeSet::new();
    for line in rules.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alert = name;
            assert!(alerts.insert(name), "{name} is there twice");
        } else if let Some(expression) = line.strip_prefix("expr: ") {
            check(&exposed, expression, "");
            checked += 1;
        } else if line.starts_with("summary: ") {
            assert!(!alert.is_empty(), "{line}");
        }
    }
    for name in ALERTS {
        assert!(alerts.contains(name), "there is no alert {name}");
    }
    assert!(checked > 70, "{checked} expressions were checked");
}

#[test]
fn an_expression_with_a_mistake_is_noticed() {
    let exposed = Exposed::read(
        "# TYPE a counter\na_total{kind=\"x\"} 1\n# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_sum 1\nh_count 1\n",
    );
    check(&exposed, "sum by (kind) (rate(a_total{kind=~\"x|y\"}[5m])) > 0.5", "{{kind}}");
    check(&exposed, "histogram_quantile(0.9, sum by (le) (rate(h_bucket[1h])))", "");
    for wrong in [
        "rate(b_total[5m])",
        "rate(a[5m])",
        "rate(a_total[5q])",
        "a_total{colour=\"x\"}",
        "sum by (colour) (a_total)",
        "h_bucket{le=\"3.0\"}",
        "sum(a_total",
        "median(a_total)",
        "h",
    ] {
        let found = std::panic::catch_unwind(|| check(&exposed, wrong, ""));
        assert!(found.is_err(), "{wrong} was taken");
    }
}

/// What Prometheus itself says of a file of rules.
fn promtool(arguments: &[&str]) -> (bool, String) {
    let promtool = root().join(".citybrain/tools/promtool");
    assert!(promtool.exists(), "{} is missing: ./x install --all makes it", promtool.display());
    let told = std::process::Command::new(promtool)
        .args(arguments)
        .current_dir(root().join("deploy/prometheus"))
        .output()
        .expect("promtool runs");
    let said = [told.stdout, told.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
    (told.status.success(), said)
}

#[test]
fn prometheus_takes_the_alert_rules_and_they_fire_when_they_say_and_not_before() {
    let (taken, said) = promtool(&["check", "rules", "citybrain.rules.yml"]);
    assert!(taken && said.contains("SUCCESS"), "{said}");
    let (right, said) = promtool(&["test", "rules", "citybrain.rules.test.yml"]);
    assert!(right && said.contains("SUCCESS"), "{said}");
}
