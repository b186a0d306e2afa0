//! Random secrets, and what is kept of them.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Letters of a code that a person types: none that is taken for another.
const CODE_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// The system has no random bytes to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandom;

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// 256 random bits as 64 hexadecimal digits.
pub(super) fn secret() -> Result<String, NoRandom> {
    Ok(hex(&random::<32>()?))
}

/// 64 random bits as 16 hexadecimal digits: an id that nobody has to keep to himself.
pub(super) fn id() -> Result<String, NoRandom> {
    Ok(hex(&random::<8>()?))
}

/// 100 random bits for a person to type: five groups of four letters.
pub(super) fn code() -> Result<String, NoRandom> {
    let letters = random::<20>()?.map(|byte| char::from(CODE_LETTERS[usize::from(byte % 32)]));
    Ok(letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-"))
}

/// A password nobody has to choose: 100 random bits.
///
/// # Errors
/// [`NoRandom`] when the system has no random bytes.
pub fn one_time_password() -> Result<String, NoRandom> {
    code()
}

/// What a code is however it was typed.
pub(super) fn typed(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// SHA-256 as 64 hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_a_code_is_read_however_it_was_typed() {
        assert_ne!(secret().unwrap(), secret().unwrap());
        assert_eq!(secret().unwrap().len(), 64);
        let code = code().unwrap();
        assert_eq!(code.len(), 24, "{code}");
        assert_eq!(typed(&code.to_lowercase().replace('-', " ")), typed(&code));
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("abc", "ab"));
    }
}
