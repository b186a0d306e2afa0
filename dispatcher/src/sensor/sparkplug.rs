//! Sparkplug B payloads: protocol buffers, of which only what a reading needs is taken.
//!
//! Format: Eclipse Sparkplug 3.0, `sparkplug_b.proto`: `Payload.metrics` is field 2; of a metric, `name` is 1, `is_null`
//! 7, `int_value` 10, `long_value` 11, `float_value` 12, `double_value` 13, `boolean_value` 14.

use super::BadReading;

/// The last value of a metric of that name.
pub(super) fn metric(payload: &[u8], name: &str) -> Result<f64, BadReading> {
    let mut found = None;
    each(payload, |number, field| {
        if let (2, Field::Bytes(metric)) = (number, field) {
            let (named, value) = one_metric(metric)?;
            if named == Some(name.as_bytes()) {
                found = Some(value.ok_or(BadReading::NotANumber)?);
            }
        }
        Ok(())
    })?;
    found.ok_or(BadReading::Missing)
}

/// Name and value of one metric.
fn one_metric(metric: &[u8]) -> Result<(Option<&[u8]>, Option<f64>), BadReading> {
    let (mut name, mut value, mut null) = (None, None, false);
    each(metric, |number, field| {
        match (number, field) {
            (1, Field::Bytes(text)) => name = Some(text),
            (7, Field::Varint(flag)) => null = flag != 0,
            // Signed numbers of 32 bits come as their two's complement.
            (10, Field::Varint(number)) => value = Some(f64::from(number as u32 as i32)),
            (11, Field::Varint(number)) => value = Some(number as i64 as f64),
            (12, Field::Fixed32(bits)) => value = Some(f64::from(f32::from_bits(bits))),
            (13, Field::Fixed64(bits)) => value = Some(f64::from_bits(bits)),
            (14, Field::Varint(flag)) => value = Some(f64::from(u8::from(flag != 0))),
            _ => {}
        }
        Ok(())
    })?;
    Ok((name, value.filter(|_| !null)))
}

enum Field<'m> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'m [u8]),
}

/// Every field of a message, in its order.
fn each<'m>(
    mut message: &'m [u8],
    mut take: impl FnMut(u64, Field<'m>) -> Result<(), BadReading>,
) -> Result<(), BadReading> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut message)?),
            1 => Field::Fixed64(u64::from_le_bytes(fixed(&mut message)?)),
            2 => {
                let length = usize::try_from(varint(&mut message)?).map_err(|_| BadReading::Malformed)?;
                let (bytes, rest) = message.split_at_checked(length).ok_or(BadReading::Malformed)?;
                message = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(u32::from_le_bytes(fixed(&mut message)?)),
            _ => return Err(BadReading::Malformed),
        };
        take(tag >> 3, field)?;
    }
    Ok(())
}

fn fixed<const N: usize>(message: &mut &[u8]) -> Result<[u8; N], BadReading> {
    let (bytes, rest) = message.split_first_chunk::<N>().ok_or(BadReading::Malformed)?;
    *message = rest;
    Ok(*bytes)
}

fn varint(message: &mut &[u8]) -> Result<u64, BadReading> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().ok_or(BadReading::Malformed)?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(BadReading::Malformed)
}
