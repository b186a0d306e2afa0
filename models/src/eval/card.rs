//! The part of a model's card that an evaluation writes, between two markers.

/// Stands before the measured part.
pub const BEGIN: &str = "<!-- eval:begin -->";
/// Stands after it.
pub const END: &str = "<!-- eval:end -->";

/// The measured part of a card, without its markers; `None` when it has none.
#[must_use]
pub fn block(card: &str) -> Option<&str> {
    let start = card.find(BEGIN)? + BEGIN.len();
    let length = card[start..].find(END)?;
    Some(&card[start..start + length])
}

/// The card with its measured part replaced by `block`, or with it at the end when it had none.
#[must_use]
pub fn with_block(card: &str, block: &str) -> String {
    let marked = format!("{BEGIN}\n{}\n{END}", block.trim());
    let range = card.find(BEGIN).and_then(|start| {
        let length = card[start..].find(END)?;
        Some(start..start + length + END.len())
    });
    match range {
        Some(range) => format!("{}{marked}{}", &card[..range.start], &card[range.end..]),
        None => format!("{}\n\n{marked}\n", card.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let card = format!("# A\n\n{BEGIN}\nold\n{END}\n\nlimits\n");
        let replaced = with_block(&card, "new\n");
        assert_eq!(replaced, format!("# A\n\n{BEGIN}\nnew\n{END}\n\nlimits\n"));
        assert_eq!(block(&replaced), Some("\nnew\n"));
        assert_eq!(with_block(&replaced, "new\n"), replaced);
    }

    #[test]
    fn a_card_without_markers_gets_them_at_its_end() {
        assert_eq!(with_block("# A\n", "new"), format!("# A\n\n{BEGIN}\nnew\n{END}\n"));
        assert_eq!(block("# A\n"), None);
    }
}
