//! Many rows in one statement: each statement is a way to the database and back.

use std::fmt::Write;

/// How many rows a statement writes: few lengths, so that each statement is prepared once. The longest has 64 rows of at
/// most 15 columns, well below what either database binds at once.
const LENGTHS: [usize; 4] = [64, 16, 4, 1];

/// The rows in portions of those lengths, in their order.
pub(super) fn portions<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = LENGTHS.into_iter().find(|length| *length <= rows.len())?;
        let (portion, rest) = rows.split_at(length);
        rows = rest;
        Some(portion)
    })
}

/// `($1, $2), ($3, $4)` for two rows of two columns.
pub(super) fn places(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 5);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{comma}${}", row * columns + column + 1);
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_few_lengths_and_none_is_left_out() {
        let rows: Vec<usize> = (0..151).collect();
        let lengths: Vec<usize> = portions(&rows).map(<[usize]>::len).collect();
        assert_eq!(lengths, [64, 64, 16, 4, 1, 1, 1]);
        assert_eq!(portions(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(portions::<u8>(&[]).count(), 0);
        assert_eq!(places(2, 2), "($1, $2), ($3, $4)");
    }
}
