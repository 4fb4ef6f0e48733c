//! Between UTF-16 units, as the API counts text, and the bytes that text is stored and sent in.
//!
//! What a user inserts is well formed and travels as UTF-8. A state may hold half of a pair (when a hostile peer removed
//! the other half), so states use WTF-8 (Simon Sapin, 2014), which writes a lone surrogate as three bytes.

use crate::DecodeError;

const REPLACEMENT: u16 = 0xfffd;

fn is_high(unit: u16) -> bool {
    unit & 0xfc00 == 0xd800
}

fn is_low(unit: u16) -> bool {
    unit & 0xfc00 == 0xdc00
}

/// Replaces every lone surrogate by U+FFFD, in place. Returns whether any surrogate (pair) is left.
pub fn well_formed_units(units: &mut [u16]) -> bool {
    let mut pairs = false;
    let mut i = 0;
    while i < units.len() {
        let unit = units[i];
        if unit & 0xf800 == 0xd800 {
            if is_high(unit) && units.get(i + 1).copied().is_some_and(is_low) {
                pairs = true;
                i += 1;
            } else {
                units[i] = REPLACEMENT;
            }
        }
        i += 1;
    }
    pairs
}

/// Appends `units` as WTF-8 (which is UTF-8 where the units are well formed).
pub fn encode_units_as_wtf8(units: &[u16], out: &mut Vec<u8>) {
    if units.iter().all(|&unit| unit < 0x80) {
        out.extend(units.iter().map(|&unit| unit as u8));
        return;
    }
    let mut i = 0;
    while i < units.len() {
        let unit = u32::from(units[i]);
        i += 1;
        match unit {
            0..=0x7f => out.push(unit as u8),
            0x80..=0x7ff => out.extend_from_slice(&[0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8]),
            _ => match units.get(i) {
                Some(&low) if is_high(unit as u16) && is_low(low) => {
                    i += 1;
                    let point = 0x10000 + ((unit & 0x3ff) << 10) + u32::from(low & 0x3ff);
                    out.extend_from_slice(&[
                        0xf0 | (point >> 18) as u8,
                        0x80 | (point >> 12 & 0x3f) as u8,
                        0x80 | (point >> 6 & 0x3f) as u8,
                        0x80 | (point & 0x3f) as u8,
                    ]);
                }
                _ => out.extend_from_slice(&[
                    0xe0 | (unit >> 12) as u8,
                    0x80 | (unit >> 6 & 0x3f) as u8,
                    0x80 | (unit & 0x3f) as u8,
                ]),
            },
        }
    }
}

/// Appends the UTF-16 units of UTF-8 `bytes`; refuses anything that is not UTF-8.
pub fn decode_utf8_to_units(bytes: &[u8], out: &mut Vec<u16>) -> Result<(), DecodeError> {
    if bytes.is_ascii() {
        out.extend(bytes.iter().map(|&b| u16::from(b)));
        return Ok(());
    }
    let text =
        std::str::from_utf8(bytes).map_err(|e| DecodeError::new(e.valid_up_to(), "UTF-8 text", "other bytes"))?;
    out.extend(text.encode_utf16());
    Ok(())
}

/// Appends the UTF-16 units of WTF-8 `bytes`; refuses overlong forms, stray bytes and split pairs.
pub fn decode_wtf8_to_units(bytes: &[u8], out: &mut Vec<u16>) -> Result<(), DecodeError> {
    if decode_utf8_to_units(bytes, out).is_ok() {
        return Ok(());
    }
    let mut i = 0;
    while i < bytes.len() {
        let end = bytes.len().min(i + 3);
        let is_surrogate = bytes[i] == 0xed && end == i + 3 && (0xa0..=0xbf).contains(&bytes[i + 1]);
        if is_surrogate && bytes[i + 2] & 0xc0 == 0x80 {
            let unit = 0xd000 | u16::from(bytes[i + 1] & 0x3f) << 6 | u16::from(bytes[i + 2] & 0x3f);
            // Two halves that stand together are one character and have the four-byte form alone.
            if is_low(unit) && out.last().copied().is_some_and(is_high) {
                return Err(DecodeError::new(i, "WTF-8 text", "a pair in two pieces"));
            }
            out.push(unit);
            i += 3;
            continue;
        }
        let stop = bytes[i..]
            .iter()
            .skip(1)
            .position(|&b| b == 0xed)
            .map_or(bytes.len(), |n| i + 1 + n);
        // 0xed also starts the plain characters U+D000–U+D7FF: then the piece up to the next lead byte is enough.
        let stop = if bytes[i] == 0xed { end } else { stop };
        let before = out.len();
        if decode_utf8_to_units(&bytes[i..stop], out).is_err() {
            out.truncate(before);
            return Err(DecodeError::new(i, "WTF-8 text", "other bytes"));
        }
        i = stop;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_and_pairs_round_trip() {
        let mut units: Vec<u16> = (0..=0xffff).filter(|u| u & 0xf800 != 0xd800).collect();
        units.extend([0xd83d, 0xde00, 0x41, 0xd800, 0x42, 0xdfff, 0xd7ff, 0xdbff, 0xd7ff]);
        let mut bytes = Vec::new();
        encode_units_as_wtf8(&units, &mut bytes);
        let mut back = Vec::new();
        decode_wtf8_to_units(&bytes, &mut back).unwrap();
        assert_eq!(back, units);
    }

    #[test]
    fn lone_surrogates_are_replaced() {
        let mut units = [0xd83d, 0xde00, 0xd83d, 0x41, 0xde00];
        assert!(well_formed_units(&mut units));
        assert_eq!(units, [0xd83d, 0xde00, 0xfffd, 0x41, 0xfffd]);
    }

    #[test]
    fn split_pairs_and_overlong_forms_are_refused() {
        for bytes in [
            &[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80][..],
            &[0xc0, 0x80],
            &[0xff],
            &[0xed, 0xa0],
        ] {
            assert!(decode_wtf8_to_units(bytes, &mut Vec::new()).is_err());
        }
    }
}
