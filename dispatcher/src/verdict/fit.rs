//! From verdicts to a calibration: isotonic or Platt, with the error before and after.
//!
//! - Isotonic: pool adjacent violators, weighted (Ayer et al. 1955; for classifiers Zadrozny and Elkan, KDD 2002).
//! - Platt: `p = 1 / (1 + exp(A·s + B))` by Newton's method on targets `(N₊+1)/(N₊+2)` and `1/(N₋+2)` (Platt 1999; Lin,
//!   Lin and Weng, Machine Learning 68, 2007), laid down as knots, so that it is applied without an exponential.
//! - ECE = Σ_b w_b/W · |said_b − so_b| over [`BINS`] bins of equal width (Naeini et al., AAAI 2015). After the fit, each
//!   item is judged by a fit of the other four fifths. Intervals: percentiles 2.5 and 97.5 of 200 bootstrap samples.
//!
//! Everything is deterministic: folds and samples follow from the items' names, and no clock or random source is read.

use citybrain_ingest_config::policy::{Calibration, CalibrationMethod, Ece, MAX_KNOTS};
use citybrain_types::{CameraId, Score, Timestamp};
use sha2::{Digest, Sha256};

/// Bins of the calibration error.
pub const BINS: usize = 10;
/// Fewer verdicts than this fit nothing; and each of the two kinds of verdict needs [`LEAST_EACH`].
pub const LEAST_ITEMS: usize = 20;
/// See [`LEAST_ITEMS`].
pub const LEAST_EACH: usize = 5;
/// From so many verdicts on the steps of the isotonic fit are worth more than the two numbers of Platt's.
const ISOTONIC_FROM: usize = 200;
const FOLDS: u64 = 5;
const RESAMPLES: usize = 200;
/// Knots of Platt's curve.
const PLATT_KNOTS: u16 = 33;
const NEWTON_STEPS: usize = 100;

/// One item with what was said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Its name.
    pub item: String,
    /// Its score, 0 to 1.
    pub score: f32,
    /// It was there.
    pub real: bool,
    /// It stands for so many.
    pub weight: f64,
    /// By which camera and when it was seen.
    pub seen: Option<Seen>,
}

/// When a camera saw something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The camera.
    pub camera: CameraId,
    /// First.
    pub from: Timestamp,
    /// Last.
    pub to: Timestamp,
}

/// Too few verdicts for a fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{real} real and {wrong} false verdicts are too few: a fit needs {LEAST_ITEMS} in all and {LEAST_EACH} of each"
)]
pub struct TooFew {
    /// Verdicts that say it was there.
    pub real: usize,
    /// Verdicts that say it was not.
    pub wrong: usize,
}

/// A fit with what it was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The calibration.
    pub calibration: Calibration,
    /// Verdicts that say it was there.
    pub real: usize,
    /// Verdicts that say it was not.
    pub wrong: usize,
}

/// Fits a calibration; `method` chosen by the number of verdicts when not given.
///
/// # Errors
/// [`TooFew`] verdicts.
pub fn fit(items: &[Labelled], method: Option<CalibrationMethod>, at: Timestamp) -> Result<Fitted, TooFew> {
    let mut items = items.to_vec();
    // Whatever order the store gives them in.
    items.sort_by(|a, b| a.score.total_cmp(&b.score).then_with(|| a.item.cmp(&b.item)));
    let real = items.iter().filter(|item| item.real).count();
    let wrong = items.len() - real;
    if items.len() < LEAST_ITEMS || real < LEAST_EACH || wrong < LEAST_EACH {
        return Err(TooFew { real, wrong });
    }
    let method = method.unwrap_or(if items.len() >= ISOTONIC_FROM {
        CalibrationMethod::Isotonic
    } else {
        CalibrationMethod::Platt
    });
    let as_it_was: Vec<(f64, &Labelled)> = items.iter().map(|item| (f64::from(item.score), item)).collect();
    let knots = curve(&items, method);
    let after: Vec<(f64, &Labelled)> = (0..FOLDS)
        .flat_map(|fold| {
            let (held, rest): (Vec<&Labelled>, Vec<&Labelled>) =
                items.iter().partition(|item| fold_of(&item.item) == fold);
            let rest: Vec<Labelled> = rest.into_iter().cloned().collect();
            let other = if both_kinds(&rest) { curve(&rest, method) } else { knots.clone() };
            held.into_iter().map(|item| (said(&other, item.score), item)).collect::<Vec<_>>()
        })
        .collect();
    let calibration = Calibration {
        method,
        knots,
        fitted_at: at,
        verdicts: u32::try_from(items.len()).unwrap_or(u32::MAX),
        ece_before: ece(&as_it_was),
        ece_after: ece(&after),
    };
    Ok(Fitted { calibration, real, wrong })
}

fn both_kinds(items: &[Labelled]) -> bool {
    items.iter().any(|item| item.real) && items.iter().any(|item| !item.real)
}

fn curve(items: &[Labelled], method: CalibrationMethod) -> Vec<[f32; 2]> {
    match method {
        CalibrationMethod::Isotonic => isotonic(items),
        CalibrationMethod::Platt => platt(items),
    }
}

fn said(knots: &[[f32; 2]], score: f32) -> f64 {
    let none = Ece { value: 0.0, low: 0.0, high: 0.0 };
    let calibration = Calibration {
        method: CalibrationMethod::Platt,
        knots: knots.to_vec(),
        fitted_at: Timestamp::EPOCH,
        verdicts: 0,
        ece_before: none,
        ece_after: none,
    };
    Score::new(score).map_or(0.0, |score| f64::from(calibration.apply(score).get()))
}

/// Which fifth an item belongs to.
fn fold_of(item: &str) -> u64 {
    u64::from(Sha256::digest(item.as_bytes())[0]) % FOLDS
}

/// A run of items that have one probability.
#[derive(Clone, Copy)]
struct Block {
    first: f32,
    last: f32,
    sum: f64,
    weight: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

/// Pool adjacent violators over items by rising score. Where the steps are more than a calibration has knots for, the
/// two neighbours that are nearest to each other become one.
fn isotonic(items: &[Labelled]) -> Vec<[f32; 2]> {
    let mut blocks: Vec<Block> = Vec::new();
    for item in items {
        let so = if item.real { item.weight } else { 0.0 };
        let mut block = Block { first: item.score, last: item.score, sum: so, weight: item.weight };
        // Items of one score are one point.
        while let Some(before) = blocks.last().copied() {
            if before.mean() < block.mean() && before.last < block.first {
                break;
            }
            block = joined(before, block);
            blocks.pop();
        }
        blocks.push(block);
    }
    while blocks.len() > MAX_KNOTS / 2 {
        let gap = |i: usize| blocks[i + 1].mean() - blocks[i].mean();
        let nearest = (0..blocks.len() - 1).min_by(|a, b| gap(*a).total_cmp(&gap(*b))).unwrap_or(0);
        blocks[nearest] = joined(blocks[nearest], blocks[nearest + 1]);
        blocks.remove(nearest + 1);
    }
    let mut knots: Vec<[f32; 2]> = Vec::new();
    for block in &blocks {
        knots.push([block.first, block.mean() as f32]);
        if block.last > block.first {
            knots.push([block.last, block.mean() as f32]);
        }
    }
    knots
}

fn joined(a: Block, b: Block) -> Block {
    Block { first: a.first, last: b.last, sum: a.sum + b.sum, weight: a.weight + b.weight }
}

/// Newton's method with halved steps, as Lin, Lin and Weng give it.
fn platt(items: &[Labelled]) -> Vec<[f32; 2]> {
    let weight = |real: bool| items.iter().filter(|i| i.real == real).map(|i| i.weight).sum::<f64>();
    let (above, below) = (weight(true), weight(false));
    let (high, low) = ((above + 1.0) / (above + 2.0), 1.0 / (below + 2.0));
    let points: Vec<(f64, f64, f64)> = items
        .iter()
        .map(|item| (f64::from(item.score), if item.real { high } else { low }, item.weight))
        .collect();
    let (mut a, mut b) = (0.0, ((below + 1.0) / (above + 1.0)).ln());
    let loss = |a: f64, b: f64| -> f64 {
        points
            .iter()
            .map(|(s, t, w)| {
                let f = a * s + b;
                w * if f >= 0.0 { t * f + (-f).exp().ln_1p() } else { (t - 1.0) * f + f.exp().ln_1p() }
            })
            .sum()
    };
    let mut best = loss(a, b);
    for _ in 0..NEWTON_STEPS {
        let (mut haa, mut hbb, mut hab, mut ga, mut gb) = (1e-12, 1e-12, 0.0, 0.0, 0.0);
        for (s, t, w) in &points {
            let p = 1.0 / (1.0 + (a * s + b).exp());
            let (d1, d2) = (w * (t - p), w * p * (1.0 - p));
            haa += s * s * d2;
            hbb += d2;
            hab += s * d2;
            ga += s * d1;
            gb += d1;
        }
        if ga.abs() < 1e-9 && gb.abs() < 1e-9 {
            break;
        }
        let det = haa * hbb - hab * hab;
        let (da, db) = (-(hbb * ga - hab * gb) / det, -(haa * gb - hab * ga) / det);
        let mut step = 1.0;
        let better = loop {
            let (na, nb) = (a + step * da, b + step * db);
            let value = loss(na, nb);
            if value < best {
                (a, b, best) = (na, nb, value);
                break true;
            }
            step /= 2.0;
            if step < 1e-10 {
                break false;
            }
        };
        if !better {
            break;
        }
    }
    // A score that speaks against its kind is a model turned round: the best non-decreasing curve is level then.
    let a = a.min(0.0);
    (0..PLATT_KNOTS)
        .map(|n| {
            let score = f32::from(n) / f32::from(PLATT_KNOTS - 1);
            [score, (1.0 / (1.0 + (a * f64::from(score) + b).exp())) as f32]
        })
        .collect()
}

fn ece(items: &[(f64, &Labelled)]) -> Ece {
    let value = error(items.iter().copied());
    let mut seed = Sha256::new();
    items.iter().for_each(|(_, item)| seed.update(item.item.as_bytes()));
    let mut state = u64::from_le_bytes(seed.finalize()[..8].try_into().unwrap_or_default());
    let mut errors: Vec<f64> = (0..RESAMPLES)
        .map(|_| error((0..items.len()).map(|_| items[(next(&mut state) % items.len() as u64) as usize])))
        .collect();
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors.get((share * (RESAMPLES - 1) as f64) as usize).copied().unwrap_or(value);
    Ece { value, low: at(0.025), high: at(0.975) }
}

fn error<'a>(items: impl Iterator<Item = (f64, &'a Labelled)>) -> f64 {
    let mut bins = [(0.0, 0.0, 0.0); BINS];
    for (said, item) in items {
        let bin = &mut bins[((said * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += item.weight;
        bin.1 += item.weight * said;
        bin.2 += if item.real { item.weight } else { 0.0 };
    }
    let all: f64 = bins.iter().map(|bin| bin.0).sum();
    if all == 0.0 { 0.0 } else { bins.iter().map(|(_, said, so)| (said - so).abs()).sum::<f64>() / all }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
