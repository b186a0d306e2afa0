//! Comma-separated values, after RFC 4180: fields in quotes may hold commas, line breaks and doubled quotes.

/// Longest field; more is no register.
const MAX_FIELD: usize = 64 * 1024;

/// The records of a text.
///
/// # Errors
/// The line of a quote that never closes, or of a field that is too long.
pub(super) fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut line, mut opened) = (false, 1_usize, 1_usize);
    let mut letters = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    while let Some(letter) = letters.next() {
        line += usize::from(letter == '\n');
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => (quoted, opened) = (true, line),
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            letter => field.push(letter),
        }
        if field.len() > MAX_FIELD {
            return Err(format!("line {line}: a field is longer than {MAX_FIELD} bytes"));
        }
    }
    if quoted {
        return Err(format!("line {opened}: a quote is never closed"));
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records.retain(|record| record.iter().any(|field| !field.trim().is_empty()));
    Ok(records)
}
