use super::*;
use citybrain_ingest_config::policy::CalibrationMethod;

/// Items whose true chance is `chance(score)`, spread evenly, without a random source.
fn items(count: u32, chance: impl Fn(f64) -> f64) -> Vec<Labelled> {
    (0..count)
        .map(|n| {
            // Two low-discrepancy sequences: the score, and what is compared with the chance.
            let score = (f64::from(n) * 0.618_033_988_75).fract();
            let dice = (f64::from(n) * 0.754_877_666_25).fract();
            Labelled {
                item: format!("case:{n}"),
                score: score as f32,
                real: dice < chance(score),
                weight: 1.0,
                seen: None,
            }
        })
        .collect()
}

#[test]
fn both_methods_find_the_chance_behind_a_model_that_is_too_sure() {
    for (method, near) in [(CalibrationMethod::Isotonic, 0.12), (CalibrationMethod::Platt, 0.1)] {
        let fitted = fit(&items(2_000, |s| s * s), Some(method), Timestamp::EPOCH).unwrap();
        for score in [0.2_f32, 0.5, 0.8] {
            let said = fitted.calibration.apply(citybrain_types::Score::new(score).unwrap()).get();
            assert!((said - score * score).abs() < near, "{method:?} says {said} of {score}");
        }
        let (before, after) = (fitted.calibration.ece_before, fitted.calibration.ece_after);
        assert!(after.high < before.low, "{method:?}: {before:?}, then {after:?}");
        assert!(before.low <= before.value && before.value <= before.high);
    }
}

#[test]
fn a_fit_is_the_same_bytes_in_whatever_order_the_verdicts_come() {
    let mut items = items(400, |s| s.sqrt());
    let first = fit(&items, None, Timestamp::EPOCH).unwrap();
    items.reverse();
    items.rotate_left(123);
    assert_eq!(fit(&items, None, Timestamp::EPOCH).unwrap(), first);
    assert_eq!(first.calibration.method, CalibrationMethod::Isotonic);
}

#[test]
fn an_item_that_stands_for_four_weighs_as_much_as_four() {
    let once = |n: u32, score: f32, real: bool, weight: f64| Labelled {
        item: n.to_string(),
        score,
        real,
        weight,
        seen: None,
    };
    let heavy: Vec<_> = (0..30).map(|n| once(n, 0.4, n < 10, if n < 10 { 1.0 } else { 4.0 })).collect();
    let fitted = fit(&heavy, Some(CalibrationMethod::Isotonic), Timestamp::EPOCH).unwrap();
    // Ten real ones among 10 + 20 · 4.
    assert_eq!(fitted.calibration.knots.len(), 1);
    assert!((fitted.calibration.knots[0][1] - 10.0 / 90.0).abs() < 1e-6);
}

#[test]
fn too_few_verdicts_or_only_one_kind_of_them_fit_nothing() {
    let all_real = items(100, |_| 2.0);
    assert_eq!(fit(&all_real, None, Timestamp::EPOCH), Err(TooFew { real: 100, wrong: 0 }));
    let few = items(10, |s| s);
    assert!(fit(&few, None, Timestamp::EPOCH).unwrap_err().to_string().contains("are too few"));
}

#[test]
fn a_model_turned_round_is_believed_no_more_the_surer_it_is() {
    let fitted = fit(&items(300, |s| 1.0 - s), Some(CalibrationMethod::Platt), Timestamp::EPOCH).unwrap();
    let knots = &fitted.calibration.knots;
    assert!(knots.windows(2).all(|pair| pair[0][1] <= pair[1][1]), "{knots:?}");
}

#[test]
fn an_item_is_named_as_it_is_written() {
    for text in ["case:fire-20261122-0123456789abcdef", "almost:fire-20261122-0123456789abcdef"] {
        assert_eq!(text.parse::<Item>().unwrap().to_string(), text);
    }
    for text in ["", "case:", "case:../x", "deed:a", "a"] {
        assert!(text.parse::<Item>().is_err(), "{text}");
    }
}
