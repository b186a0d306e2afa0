//! Which classes of a graph are told, and under which label.

use crate::manifest::reader::Table;
use citybrain_types::Label;
use std::ops::RangeInclusive;

/// Most classes of a graph that are read: more than any detector has.
pub const MAX_CLASSES: usize = 4096;

/// From a class of the graph, counted from zero, to a label of the manifest.
///
/// A manifest names every class in `labels`, in the graph's order, with `""` for one that is not to be told; or it names
/// the labels that it wants and says in `[head.classes]` which classes each stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassMap {
    label_of: Vec<Option<usize>>,
    /// Whether the graph has exactly these classes; else it may have more, which are not told.
    whole: bool,
}

impl ClassMap {
    /// As many classes as labels, in the same order; `None` for one that is not told.
    pub(crate) fn in_order(told: &[bool]) -> Self {
        let mut next = 0..;
        let label_of = told.iter().map(|told| told.then(|| next.next()).flatten()).collect();
        Self { label_of, whole: true }
    }

    /// Reads `[head.classes]`: for each label the class, or classes, that it stands for.
    pub(crate) fn read(mut table: Table<'_>, labels: &[Label]) -> Option<Self> {
        table.only_labels(labels);
        let mut map = Self { label_of: Vec::new(), whole: false };
        let mut good = true;
        for (index, label) in labels.iter().enumerate() {
            let key = label.as_str();
            let Some(classes) = table.integers(key) else {
                good = false;
                continue;
            };
            if classes.is_empty() {
                table.problem_at(key, format!("head.classes.{key} is empty: name a class of the graph"));
                good = false;
            }
            for class in classes {
                if let Err(complaint) = map.give(class, index) {
                    table.problem_at(key, format!("head.classes.{key}: {complaint}"));
                    good = false;
                }
            }
        }
        good.then_some(map)
    }

    fn give(&mut self, class: i64, label: usize) -> Result<(), String> {
        let range: RangeInclusive<usize> = 0..=MAX_CLASSES - 1;
        let index = usize::try_from(class)
            .ok()
            .filter(|index| range.contains(index))
            .ok_or_else(|| format!("class {class} is not within 0..={}", range.end()))?;
        if self.label_of.len() <= index {
            self.label_of.resize(index + 1, None);
        }
        match self.label_of[index].replace(label) {
            None => Ok(()),
            Some(_) => Err(format!("class {class} is there twice")),
        }
    }

    /// Position among the manifest's labels of what is told for a class.
    #[must_use]
    pub fn label(&self, class: usize) -> Option<usize> {
        self.label_of.get(class).copied().flatten()
    }

    /// Classes that the graph has, or has at least.
    #[must_use]
    pub fn len(&self) -> usize {
        self.label_of.len()
    }

    /// Whether no class is known, which no manifest can say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.label_of.is_empty()
    }

    /// Whether a graph with this many classes is the one meant.
    #[must_use]
    pub fn fits(&self, classes: usize) -> bool {
        classes <= MAX_CLASSES && if self.whole { classes == self.len() } else { classes >= self.len() }
    }

    /// Whether the graph may tell this class number.
    #[must_use]
    pub fn knows(&self, class: usize) -> bool {
        class < if self.whole { self.len() } else { MAX_CLASSES }
    }

    /// Classes that are told, with their labels, in the order of classes.
    pub fn told(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.label_of.iter().enumerate().filter_map(|(class, label)| Some((class, (*label)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unnamed_class_is_not_told_and_the_labels_close_up() {
        let map = ClassMap::in_order(&[false, true, true]);
        assert_eq!(map.told().collect::<Vec<_>>(), [(1, 0), (2, 1)]);
        assert!(map.fits(3) && !map.fits(2) && !map.fits(4));
        assert!(map.knows(2) && !map.knows(3));
    }

    #[test]
    fn a_label_may_stand_for_several_classes_and_the_rest_of_the_graph_is_left_out() {
        let mut map = ClassMap { label_of: Vec::new(), whole: false };
        for (class, label) in [(7, 1), (2, 1), (0, 0)] {
            map.give(class, label).unwrap();
        }
        assert_eq!(map.told().collect::<Vec<_>>(), [(0, 0), (2, 1), (7, 1)]);
        assert!(map.fits(80) && map.fits(8) && !map.fits(7) && !map.fits(MAX_CLASSES + 1));
        assert_eq!((map.label(3), map.label(2), map.label(99)), (None, Some(1), None));
        assert_eq!(map.give(2, 0).unwrap_err(), "class 2 is there twice");
        assert_eq!(map.give(-1, 0).unwrap_err(), "class -1 is not within 0..=4095");
    }
}
