//! Text forms of OpenSSH, so that targets begin behind the armour.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as OpenSSH armours them.
pub fn armored(kind: &str, bytes: &[u8]) -> String {
    let mut out = format!("-----BEGIN {kind}-----\n");
    let mut column = 0;
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let padding = digit > group.len();
            out.push(if padding {
                '='
            } else {
                DIGITS[value as usize] as char
            });
            column += 1;
            if column % 70 == 0 {
                out.push('\n');
            }
        }
    }
    out + &format!("\n-----END {kind}-----\n")
}
