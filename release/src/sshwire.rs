//! The few SSH encodings that keys and signatures share: length-prefixed
//! strings (RFC 4251 section 5) and the armor around a base64 blob.
use alloc::{string::String, vec::Vec};
use base64ct::{Base64, Encoding};

/// The key and signature algorithm name of ed25519 (RFC 8709).
pub(crate) const ED25519: &[u8] = b"ssh-ed25519";

/// Why armored text is not one base64 blob between its two marker lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// The first line is not the expected `-----BEGIN …-----`.
    #[error("no BEGIN line of the expected kind at the start")]
    Begin,
    /// No line is the expected `-----END …-----`.
    #[error("no END line")]
    End,
    /// Something follows the END line.
    #[error("bytes after the END line")]
    AfterEnd,
    /// A line between the markers is empty or too long.
    #[error("line {line}: 1 to {limit} characters expected, got {got}")]
    Line {
        /// Line number, from 1.
        line: usize,
        /// Characters a line may have.
        limit: usize,
        /// Characters it has.
        got: usize,
    },
    /// The text between the markers is not canonical base64.
    #[error("not base64")]
    Base64,
}

/// Wraps `blob` as OpenSSH does: 70 characters a line, newline at the end.
pub(crate) fn armor(kind: &str, blob: &[u8]) -> String {
    let text = Base64::encode_string(blob);
    let mut out = alloc::format!("-----BEGIN {kind}-----\n");
    for (i, character) in text.chars().enumerate() {
        if i > 0 && i % ARMOR_WIDTH == 0 {
            out.push('\n');
        }
        out.push(character);
    }
    out.push_str(&alloc::format!("\n-----END {kind}-----\n"));
    out
}

/// Unwraps armored text. The caller has capped its length. Lines end in
/// LF (ssh-keygen accepts no CRLF here either) and have any width up to 76;
/// nothing else is let through, so every byte of the text matters.
pub(crate) fn dearmor(kind: &str, text: &[u8]) -> Result<Vec<u8>, ArmorError> {
    let begin = alloc::format!("-----BEGIN {kind}-----");
    let end = alloc::format!("-----END {kind}-----");
    let mut lines = text.split_inclusive(|&byte| byte == b'\n').enumerate();
    if lines.next().map(|(_, line)| without_eol(line)) != Some(begin.as_bytes()) {
        return Err(ArmorError::Begin);
    }
    let mut base64 = Vec::with_capacity(text.len());
    loop {
        let (index, line) = lines.next().ok_or(ArmorError::End)?;
        let line = without_eol(line);
        if line == end.as_bytes() {
            break;
        }
        if line.starts_with(end.as_bytes()) {
            return Err(ArmorError::AfterEnd);
        }
        if line.is_empty() || line.len() > LINE_MAX {
            return Err(ArmorError::Line {
                line: index + 1,
                limit: LINE_MAX,
                got: line.len(),
            });
        }
        base64.extend_from_slice(line);
    }
    if lines.next().is_some() {
        return Err(ArmorError::AfterEnd);
    }
    let base64 = core::str::from_utf8(&base64).map_err(|_| ArmorError::Base64)?;
    Base64::decode_vec(base64).map_err(|_| ArmorError::Base64)
}

fn without_eol(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Appends a 32-bit length and the bytes.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("callers write keys and short names");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The blob was over before this field was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncated(pub(crate) &'static str);

/// Reads fields off the front of a blob, each named for the error message.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], Truncated> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Truncated(field))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Truncated> {
        let bytes = self.bytes(4, field)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<&'a [u8], Truncated> {
        let length = self.u32(field)?;
        let length = usize::try_from(length).map_err(|_| Truncated(field))?;
        self.bytes(length, field)
    }
}

const ARMOR_WIDTH: usize = 70;
const LINE_MAX: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn every_length_survives_its_armor_in_lines_of_70() {
        for length in 0..=300 {
            let blob: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            let text = armor("TEST", &blob);
            let lines: Vec<&str> = text.lines().collect();
            let [begin, base64 @ .., end] = &lines[..] else {
                panic!("{text}");
            };
            assert_eq!(
                (*begin, *end),
                ("-----BEGIN TEST-----", "-----END TEST-----")
            );
            if let [full @ .., last] = base64 {
                assert!(full.iter().all(|line| line.len() == 70), "{text}");
                assert!(last.len() <= 70, "{text}");
            }
            match length {
                // What armor makes of nothing has an empty line.
                0 => assert!(dearmor("TEST", text.as_bytes()).is_err()),
                _ => assert_eq!(dearmor("TEST", text.as_bytes()), Ok(blob)),
            }
        }
    }

    #[test]
    fn lines_may_have_any_width_up_to_76() {
        let blob = vec![0xfb; 100];
        let base64 = Base64::encode_string(&blob);
        for width in 1..=80 {
            let lines = base64.as_bytes().chunks(width);
            let lines: Vec<&str> = lines.map(|l| core::str::from_utf8(l).unwrap()).collect();
            let text = format!("-----BEGIN T-----\n{}\n-----END T-----\n", lines.join("\n"));
            let wanted = match width {
                77.. => Err(ArmorError::Line {
                    line: 2,
                    limit: 76,
                    got: width,
                }),
                _ => Ok(blob.clone()),
            };
            assert_eq!(dearmor("T", text.as_bytes()), wanted, "width {width}");
        }
    }

    #[test]
    fn armor_of_another_kind_is_refused() {
        let text = armor("ONE", b"blob");
        assert_eq!(dearmor("TWO", text.as_bytes()), Err(ArmorError::Begin));
        let mixed = text.replace("END ONE", "END TWO");
        assert!(matches!(
            dearmor("ONE", mixed.as_bytes()),
            Err(ArmorError::Base64 | ArmorError::End)
        ));
        assert_eq!(dearmor("ONE", b""), Err(ArmorError::Begin));
    }

    #[test]
    fn fields_are_read_in_order_and_never_past_the_end() {
        let mut blob = vec![0, 0, 0, 9];
        put_string(&mut blob, b"abc");
        put_string(&mut blob, b"");
        let mut reader = Reader(&blob);
        assert_eq!(reader.u32("number"), Ok(9));
        assert_eq!(reader.string("text"), Ok(&b"abc"[..]));
        assert_eq!(reader.string("nothing"), Ok(&b""[..]));
        assert_eq!(reader.bytes(0, "none"), Ok(&b""[..]));
        assert_eq!(reader.bytes(1, "more"), Err(Truncated("more")));
        assert_eq!(reader.u32("more"), Err(Truncated("more")));
        let mut long = Reader(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(long.string("long"), Err(Truncated("long")));
    }
}
