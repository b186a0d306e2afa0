//! Cells of a grid that hang together.

/// Cells that hang together: the columns and rows they reach over, how many they are, the highest and the sum of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Region {
    pub(super) columns: (usize, usize),
    pub(super) rows: (usize, usize),
    pub(super) cells: usize,
    pub(super) highest: f32,
    pub(super) sum: f64,
}

impl Region {
    const fn at(column: usize, row: usize) -> Self {
        Self { columns: (column, column), rows: (row, row), cells: 0, highest: 0.0, sum: 0.0 }
    }

    fn add(&mut self, column: usize, row: usize, value: f32) {
        self.columns = (self.columns.0.min(column), self.columns.1.max(column));
        self.rows = (self.rows.0.min(row), self.rows.1.max(row));
        self.cells += 1;
        self.highest = self.highest.max(value);
        self.sum += f64::from(value);
    }

    /// Left, top, right and bottom, in the unit of a cell's width and height.
    pub(super) fn edges(&self, (width, height): (f32, f32)) -> [f32; 4] {
        [
            self.columns.0 as f32 * width,
            self.rows.0 as f32 * height,
            (self.columns.1 + 1) as f32 * width,
            (self.rows.1 + 1) as f32 * height,
        ]
    }
}

/// The free cells that belong and hang together with `start`, over corners too; they are not free any more.
///
/// `value` gives what a cell counts for, and `None` for one that does not belong.
pub(super) fn grow(
    start: usize,
    (columns, rows): (usize, usize),
    free: &mut [bool],
    value: impl Fn(usize) -> Option<f32>,
) -> Region {
    let mut region = Region::at(start % columns, start / columns);
    let mut to_visit = vec![start];
    free[start] = false;
    while let Some(cell) = to_visit.pop() {
        let (column, row) = (cell % columns, cell / columns);
        region.add(column, row, value(cell).unwrap_or(0.0));
        for near_row in row.saturating_sub(1)..(row + 2).min(rows) {
            for near_column in column.saturating_sub(1)..(column + 2).min(columns) {
                let near = near_row * columns + near_column;
                if free[near] && value(near).is_some() {
                    free[near] = false;
                    to_visit.push(near);
                }
            }
        }
    }
    region
}
