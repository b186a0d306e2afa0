//! The cells of feature maps, which dense detectors tell of one after the other, coarse maps after fine ones.

use crate::manifest::reader::Table;

/// One feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FeatureMap {
    /// Pixels of the input from one cell to the next.
    pub(super) stride: u32,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl FeatureMap {
    pub(super) const fn cells(&self) -> usize {
        self.columns * self.rows
    }

    /// Column and row of a cell.
    pub(super) const fn cell(&self, index: usize) -> (usize, usize) {
        (index % self.columns, index / self.columns)
    }
}

/// Feature maps of an input: as many columns and rows as strides fit, begun ones too.
pub(super) fn feature_maps(input: (u32, u32), strides: &[u32]) -> Vec<FeatureMap> {
    let map = |stride: &u32| FeatureMap {
        stride: *stride,
        columns: input.0.div_ceil(*stride) as usize,
        rows: input.1.div_ceil(*stride) as usize,
    };
    strides.iter().map(map).collect()
}

/// The map that a place lies in, and its index in that map.
pub(super) fn find(maps: &[FeatureMap], mut place: usize) -> Option<(usize, usize)> {
    for (number, map) in maps.iter().enumerate() {
        if place < map.cells() {
            return Some((number, place));
        }
        place -= map.cells();
    }
    None
}

/// Reads `strides`: one to eight, each within 1 to 512 pixels.
pub(super) fn strides(table: &mut Table<'_>) -> Option<Vec<u32>> {
    let strides = table.integers("strides")?;
    let fits = (1..=8).contains(&strides.len()) && strides.iter().all(|stride| (1..=512).contains(stride));
    if !fits {
        table.problem_at("strides", "head.strides is to be one to eight numbers within 1..=512".to_owned());
        return None;
    }
    strides.into_iter().map(|stride| u32::try_from(stride).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_through_the_maps_in_order_and_begun_cells_count() {
        let maps = feature_maps((40, 20), &[8, 16]);
        assert_eq!((maps[0].columns, maps[0].rows, maps[1].columns, maps[1].rows), (5, 3, 3, 2));
        assert_eq!(find(&maps, 14), Some((0, 14)));
        assert_eq!(find(&maps, 15), Some((1, 0)));
        assert_eq!(find(&maps, 21), None);
        assert_eq!(maps[1].cell(4), (1, 1));
    }
}
