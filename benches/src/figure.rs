//! How a bench says what it found: `NAME VALUE UNIT bar BAR ok` or `… short`, one line a figure.

use std::fmt;

/// Which side of the bar is good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// The value may be at most this.
    AtMost(f64),
    /// The value must be at least this.
    AtLeast(f64),
}

/// One measured figure against its bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The figure's name.
    pub name: &'static str,
    /// What was measured.
    pub value: f64,
    /// Its unit; `x` for a ratio.
    pub unit: &'static str,
    /// What it must reach.
    pub bar: Bar,
}

impl Figure {
    /// Whether the value is on the good side of the bar; NaN never is.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        match self.bar {
            Bar::AtMost(bar) => self.value <= bar,
            Bar::AtLeast(bar) => self.value >= bar,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Bar::AtMost(bar) | Bar::AtLeast(bar)) = self.bar;
        let verdict = if self.is_ok() { "ok" } else { "short" };
        write!(f, "{} {:.3} {} bar {bar} {verdict}", self.name, self.value, self.unit)
    }
}

/// The value in the middle; NaN when there is none.
#[must_use]
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => values[middle - 1].midpoint(values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_one_line_that_says_on_which_side_of_its_bar_it_lies() {
        let figure = |value, bar| Figure { name: "efficiency", value, unit: "x", bar }.to_string();
        assert_eq!(figure(1.1, Bar::AtMost(1.15)), "efficiency 1.100 x bar 1.15 ok");
        assert_eq!(figure(1.2, Bar::AtMost(1.15)), "efficiency 1.200 x bar 1.15 short");
        assert_eq!(figure(1.2, Bar::AtLeast(20.0)), "efficiency 1.200 x bar 20 short");
        assert!(figure(f64::NAN, Bar::AtMost(1.0)).ends_with("short"));
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&mut [4.0, 1.0]) - 2.5).abs() < 1e-9);
        assert!(median(&mut []).is_nan());
    }
}
