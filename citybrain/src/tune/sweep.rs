//! Policies from ranges of numbers: every combination is one.

use crate::cli::TuneArgs;
use anyhow::{bail, ensure};
use citybrain_dispatcher::policy::rules::{Numbers, Policy};
use citybrain_dispatcher::tune::{MAX_POLICIES, Proposal, Scope};
use citybrain_ingest_config::City;
use citybrain_types::EventKind;

/// Values of a range without a count.
const STEPS: usize = 11;
/// Most values of one range.
const MAX_STEPS: usize = 200;

/// Numbers that a policy may have: `0.3..0.8` (eleven, evenly), `0.3..0.8/6`, or `0.3,0.5`.
#[derive(Debug, Clone, PartialEq)]
pub struct Range(pub Vec<f64>);

impl std::str::FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("'{text}' is no number"))
        };
        let Some((low, rest)) = text.split_once("..") else {
            return text.split(',').map(number).collect::<Result<_, _>>().map(Self);
        };
        let (high, steps) = match rest.split_once('/') {
            Some((high, steps)) => {
                (high, steps.trim().parse().map_err(|_| format!("'{steps}' is no count"))?)
            }
            None => (rest, STEPS),
        };
        let (low, high) = (number(low)?, number(high)?);
        if high <= low || !(2..=MAX_STEPS).contains(&steps) {
            return Err(format!("a range rises, and has from 2 to {MAX_STEPS} values"));
        }
        // To a millionth, so that 0.3 and not 0.30000000000000004 is shown.
        let value =
            |n: usize| (low + (high - low) * n as f64 / (steps - 1) as f64).mul_add(1e6, 0.5).floor() / 1e6;
        Ok(Self((0..steps).map(value).collect()))
    }
}

/// A number that is set in a rule.
type Set = Box<dyn Fn(&mut Numbers)>;

/// Every combination of the ranges that were given, for each kind.
pub fn policies(args: &TuneArgs, city: &City) -> anyhow::Result<Vec<Proposal>> {
    let axes = axes(args);
    if axes.is_empty() {
        return Ok(Vec::new());
    }
    let kinds: Vec<EventKind> = args.kind.iter().map(EventKind::new).collect();
    ensure!(!kinds.is_empty(), "say which kind the numbers are for, for instance --kind fire");
    for kind in &kinds {
        if !city.kinds.contains_key(kind) {
            let known: Vec<&str> = city.kinds.keys().map(EventKind::as_str).collect();
            bail!("there is no kind '{kind}'; there are {}", known.join(", "));
        }
    }
    let scope = scope(args)?;
    let count = axes.iter().map(|(_, values)| values.len()).product::<usize>() * kinds.len();
    ensure!(count <= MAX_POLICIES, "that makes {count} policies; one run takes {MAX_POLICIES}");
    let mut policies = Vec::with_capacity(count);
    for kind in &kinds {
        let mut own = vec![(String::new(), Numbers::default())];
        for (name, values) in &axes {
            let with = |(label, numbers): &(String, Numbers)| {
                let values = values.iter().map(|(value, set)| {
                    let mut numbers = *numbers;
                    set(&mut numbers);
                    (format!("{label} {name} {value}"), numbers)
                });
                values.collect::<Vec<_>>()
            };
            own = own.iter().flat_map(with).collect();
        }
        let policy = |(label, numbers): (String, Numbers)| Proposal {
            name: format!("{kind}{label}"),
            policy: Policy { rules: vec![scope.rule(kind.clone(), numbers)], ..Policy::default() },
        };
        policies.extend(own.into_iter().map(policy));
    }
    Ok(policies)
}

/// The cameras that the numbers are tried in.
pub fn scope(args: &TuneArgs) -> anyhow::Result<Scope> {
    Ok(match (&args.camera, &args.area) {
        (Some(camera), _) => Scope::Camera(citybrain_types::CameraId::new(camera)?),
        (None, Some(area)) => Scope::Area(area.clone()),
        (None, None) => Scope::City,
    })
}

/// Each range that was given, with what its values do.
fn axes(args: &TuneArgs) -> Vec<(&'static str, Vec<(String, Set)>)> {
    fn axis(
        name: &'static str,
        range: Option<&Range>,
        set: fn(&mut Numbers, f64),
    ) -> Option<(&'static str, Vec<(String, Set)>)> {
        let value = |value: &f64| {
            let value = *value;
            (value.to_string(), Box::new(move |numbers: &mut Numbers| set(numbers, value)) as Set)
        };
        Some((name, range?.0.iter().map(value).collect()))
    }
    let hits = args.hits.iter().map(|(needed, counted)| {
        let (needed, counted) = (*needed, *counted);
        let set = move |numbers: &mut Numbers| {
            numbers.hits_needed = Some(needed);
            numbers.looks_counted = Some(counted);
        };
        (format!("{needed} of {counted}"), Box::new(set) as Set)
    });
    let hits: Vec<(String, Set)> = hits.collect();
    let ranges = [
        axis("half-life", args.half_life.as_ref(), |numbers, secs| numbers.half_life_secs = Some(secs)),
        axis("open at", args.open_at.as_ref(), |numbers, nats| numbers.open_at = Some(nats)),
        axis("cooldown", args.cooldown.as_ref(), |numbers, secs| numbers.quiet_after_secs = Some(secs)),
        (!hits.is_empty()).then_some(("hits", hits)),
        axis("hit score", args.hit_score.as_ref(), |numbers, score| numbers.hit_score = Some(score)),
    ];
    ranges.into_iter().flatten().collect()
}

/// `3/8`: three hits among eight looks.
pub fn parse_hits(text: &str) -> Result<(u32, u32), String> {
    let parts = text
        .split_once('/')
        .and_then(|(needed, counted)| Some((needed.parse().ok()?, counted.parse().ok()?)));
    parts.ok_or_else(|| format!("'{text}' is not like 3/8, three hits among eight looks"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_even_and_shows_the_numbers_that_were_given() {
        let range = |text: &str| text.parse::<Range>().map(|range| range.0);
        assert_eq!(range("0.3..0.8/6").unwrap(), [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]);
        assert_eq!(range("0.3..0.8").unwrap().len(), STEPS);
        assert_eq!(range("5, 10").unwrap(), [5.0, 10.0]);
        for bad in ["0.8..0.3", "0.3..", "a", "", "0.1..0.2/1", "0.1..0.2/100000", "nan", "0..inf"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
