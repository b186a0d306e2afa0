//! Figures out of the metrics as `/metrics` writes them (OpenMetrics text).

use std::collections::BTreeMap;

/// Labels and value.
type Labelled = (BTreeMap<String, String>, f64);

/// Samples by metric.
pub struct Figures(BTreeMap<String, Vec<Labelled>>);

impl Figures {
    /// Reads the text; lines that are no samples are passed over.
    pub fn read(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, labels, value)) = sample(line) {
                all.entry(name).or_default().push((labels, value));
            }
        }
        Self(all)
    }

    /// The value of a metric without labels, or the only one there is.
    pub fn one(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.first().map(|(_, value)| *value)
    }

    /// All values of a metric, added up.
    pub fn sum(&self, name: &str) -> f64 {
        self.0.get(name).into_iter().flatten().map(|(_, value)| value).sum()
    }

    /// Values of a metric by one of its labels; those of the same label are added up.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut found = BTreeMap::new();
        for (labels, value) in self.0.get(name).into_iter().flatten() {
            if let Some(key) = labels.get(label) {
                *found.entry(key.clone()).or_default() += value;
            }
        }
        found
    }

    /// The value below which a share of a histogram's observations lie, by a label: the upper bound of its bucket, as
    /// exact as the buckets are. `None` beyond the last bound.
    pub fn quantile(&self, name: &str, label: (&str, &str), share: f64) -> Option<f64> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (labels, value) in self.0.get(&format!("{name}_bucket")).into_iter().flatten() {
            if labels.get(label.0).is_some_and(|found| found == label.1) {
                let bound = labels.get("le")?;
                buckets.push((if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? }, *value));
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = buckets.last()?.1;
        let (bound, _) = buckets.into_iter().find(|(_, value)| *value >= all * share)?;
        (all > 0.0 && bound.is_finite()).then_some(bound)
    }
}

type Sample = (String, BTreeMap<String, String>, f64);

fn sample(line: &str) -> Option<Sample> {
    let (head, value) = match line.rfind('}') {
        Some(end) => (line.get(..end)?, line.get(end + 1..)?),
        None => line.split_once(' ')?,
    };
    // After the value may stand a moment or an exemplar.
    let value = value.split_whitespace().next()?.parse().ok()?;
    let (name, pairs) = head.split_once('{').unwrap_or((head, ""));
    let mut labels = BTreeMap::new();
    let mut rest = pairs;
    while let Some((key, after)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut escaped = false;
        let mut end = after.len();
        for (at, c) in after.char_indices() {
            match c {
                _ if escaped => {
                    text.push(if c == 'n' { '\n' } else { c });
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    end = at;
                    break;
                }
                _ => text.push(c),
            }
        }
        labels.insert(key.trim_start_matches(',').to_owned(), text);
        rest = after.get(end + 1..).unwrap_or_default();
    }
    Some((name.to_owned(), labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP x X.\nplain 3\nmany{kind=\"fire\",to=\"a \\\"b\\\" {c}\"} 2.5\nmany{kind=\"fire\",to=\"d\"} 1\n\
        time_bucket{stage=\"case\",le=\"0.1\"} 8\ntime_bucket{stage=\"case\",le=\"1.0\"} 10\ntime_bucket{stage=\"case\",le=\"+Inf\"} 10\n\
        time_bucket{stage=\"late\",le=\"0.1\"} 0\ntime_bucket{stage=\"late\",le=\"+Inf\"} 4\nnonsense\n";

    #[test]
    fn figures_are_read_by_label_and_quantile() {
        let figures = Figures::read(TEXT);
        assert_eq!(figures.one("plain"), Some(3.0));
        assert_eq!(figures.by("many", "kind")["fire"], 3.5);
        assert_eq!(figures.by("many", "to")["a \"b\" {c}"], 2.5);
        assert_eq!(figures.quantile("time", ("stage", "case"), 0.5), Some(0.1));
        assert_eq!(figures.quantile("time", ("stage", "case"), 0.95), Some(1.0));
        assert_eq!(figures.quantile("time", ("stage", "late"), 0.5), None);
        assert_eq!(figures.quantile("time", ("stage", "none"), 0.5), None);
        assert_eq!(figures.one("missing"), None);
    }
}
