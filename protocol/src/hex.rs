//! Lower-case hexadecimal, the one spelling a hash has in JSON and on screen.
use alloc::string::String;

/// Writes `bytes` as lower-case hexadecimal, two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Reads exactly 64 lower-case digits. Upper case is refused so that one hash
/// has one spelling and text comparison of manifests means something.
pub fn hash_from_hex(text: &str) -> Option<[u8; 32]> {
    bytes_from_hex(text)
}

/// The same for any number of bytes, two lower-case digits each.
pub fn bytes_from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_a_round_trip() {
        for byte in 0..=255 {
            assert_eq!(hash_from_hex(&hex(&[byte; 32])), Some([byte; 32]));
        }
    }

    #[test]
    fn upper_case_and_odd_lengths_are_refused() {
        assert_eq!(hash_from_hex(&hex(&[0xab; 32]).to_uppercase()), None);
        assert_eq!(hash_from_hex(&hex(&[0xab; 31])), None);
        assert_eq!(hash_from_hex(&hex(&[0xab; 33])), None);
        assert_eq!(hash_from_hex(&"g".repeat(64)), None);
        assert_eq!(hash_from_hex(&"é".repeat(32)), None);
    }
}
