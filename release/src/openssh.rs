//! Keys as OpenSSH writes them: `ssh-ed25519 AAAA… comment` lines, and
//! unencrypted private key files (PROTOCOL.key of OpenSSH).
use crate::sshwire::{ArmorError, ED25519, Reader, Truncated, armor, dearmor, put_string};
use alloc::{string::String, vec::Vec};
use base64ct::{Base64, Encoding};
use linecast_protocol::key::{PublicKey, SigningKey};

/// Why text is not a key that linecast can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// Longer than any ed25519 key; nothing of it was parsed.
    #[error("key: at most {limit} bytes, got {got}")]
    TooLong {
        /// Bytes a key file or line may have.
        limit: usize,
        /// Bytes given.
        got: usize,
    },
    /// Not an armored OpenSSH private key.
    #[error("private key: {0}")]
    Armor(#[from] ArmorError),
    /// The blob ends before this field does.
    #[error("key: ends within its {0}")]
    Truncated(&'static str),
    /// The blob does not start with `openssh-key-v1`.
    #[error("private key: no openssh-key-v1 magic")]
    Magic,
    /// The key needs a passphrase, which linecast does not ask for.
    #[error(
        "private key: encrypted with {cipher:?}; linecast reads unencrypted keys only \
         (remove the passphrase from a copy with `ssh-keygen -p -N '' -f FILE`)"
    )]
    Encrypted {
        /// The cipher it names.
        cipher: String,
    },
    /// The file does not hold exactly one key.
    #[error("private key: 1 key in the file expected, got {got}")]
    KeyCount {
        /// Keys it says it holds.
        got: u32,
    },
    /// The two check numbers differ: the private part is damaged.
    #[error("private key: damaged (check numbers differ)")]
    Check,
    /// The padding is not 1, 2, 3, …: the private part is damaged.
    #[error("private key: damaged (wrong padding)")]
    Padding,
    /// The public key in the file is not the private key's.
    #[error("private key: its public half does not belong to it")]
    Halves,
    /// The private key is not 64 bytes.
    #[error("private key: 64 bytes expected, got {got}")]
    PrivateLength {
        /// Bytes of the field.
        got: usize,
    },
    /// Not an ed25519 key.
    #[error("key type ssh-ed25519 expected, got {got:?}")]
    Type {
        /// The type it names.
        got: String,
    },
    /// The line has a key type and nothing after it.
    #[error("public key: nothing after the key type")]
    NoBlob,
    /// The text after the key type is not canonical base64.
    #[error("public key: not base64")]
    Base64,
    /// The public key is not 32 bytes.
    #[error("public key: 32 bytes expected, got {got}")]
    PublicLength {
        /// Bytes of the field.
        got: usize,
    },
    /// The 32 bytes are no point of the curve, or a weak one.
    #[error("public key: not a usable ed25519 point")]
    Point,
    /// Bytes follow the key.
    #[error("key: {got} bytes after its end")]
    TrailingBytes {
        /// Bytes after it.
        got: usize,
    },
}

/// The text of a private key file that `ssh-keygen` reads. It is not
/// encrypted: whoever writes it to disk makes it readable by its owner only.
pub fn write_private(key: &SigningKey, comment: &str) -> String {
    let public = key.public();
    let public_bytes = public.as_bytes();
    let mut private = Vec::new();
    // Two equal numbers, with which OpenSSH notices a wrong passphrase.
    // Without encryption any number will do.
    private.extend_from_slice(&public_bytes[..4]);
    private.extend_from_slice(&public_bytes[..4]);
    put_string(&mut private, ED25519);
    put_string(&mut private, public_bytes);
    put_string(&mut private, &[key.to_seed(), *public_bytes].concat());
    put_string(&mut private, comment.as_bytes());
    let mut pad = 1;
    while !private.len().is_multiple_of(PADDING_BLOCK) {
        private.push(pad);
        pad += 1;
    }
    let mut blob = Vec::from(MAGIC);
    put_string(&mut blob, b"none");
    put_string(&mut blob, b"none");
    put_string(&mut blob, b"");
    blob.extend_from_slice(&1u32.to_be_bytes());
    put_string(&mut blob, &public.to_blob());
    put_string(&mut blob, &private);
    armor(ARMOR_KIND, &blob)
}

/// Reads the text of a private key file as `ssh-keygen -t ed25519 -N ''` or
/// [`write_private`] writes it.
pub fn read_private(text: &[u8]) -> Result<SigningKey, KeyTextError> {
    cap(text.len(), PRIVATE_BYTES_MAX)?;
    let blob = dearmor(ARMOR_KIND, text)?;
    let mut reader = Reader(&blob);
    if reader.bytes(MAGIC.len(), "magic")? != MAGIC {
        return Err(KeyTextError::Magic);
    }
    let cipher = reader.string("cipher name")?;
    let kdf = reader.string("key derivation name")?;
    let options = reader.string("key derivation options")?;
    if cipher != b"none" || kdf != b"none" || !options.is_empty() {
        let cipher = cut(&String::from_utf8_lossy(cipher));
        return Err(KeyTextError::Encrypted { cipher });
    }
    let count = reader.u32("key count")?;
    if count != 1 {
        return Err(KeyTextError::KeyCount { got: count });
    }
    let public = read_blob(reader.string("public key")?)?;
    let private = reader.string("private key")?;
    at_end(&reader)?;
    let key = parse_private(private)?;
    if key.public() != public {
        return Err(KeyTextError::Halves);
    }
    Ok(key)
}

/// The line of a `.pub` file, without its newline.
pub fn write_public(key: &PublicKey, comment: &str) -> String {
    let blob = Base64::encode_string(&key.to_blob());
    let line = alloc::format!("ssh-ed25519 {blob} {comment}");
    String::from(line.trim_end())
}

/// Reads one `ssh-ed25519 AAAA… comment` line: the key and its comment, which
/// is empty if there is none.
pub fn read_public(line: &str) -> Result<(PublicKey, &str), KeyTextError> {
    cap(line.len(), LINE_BYTES_MAX)?;
    let line = line.trim();
    let (kind, rest) = word(line);
    if kind.as_bytes() != ED25519 {
        return Err(KeyTextError::Type { got: cut(kind) });
    }
    let (base64, comment) = word(rest);
    if base64.is_empty() {
        return Err(KeyTextError::NoBlob);
    }
    let blob = Base64::decode_vec(base64).map_err(|_| KeyTextError::Base64)?;
    Ok((read_blob(&blob)?, comment))
}

fn read_blob(blob: &[u8]) -> Result<PublicKey, KeyTextError> {
    let mut reader = Reader(blob);
    expect_ed25519(&mut reader)?;
    let key = read_point(&mut reader)?;
    at_end(&reader)?;
    Ok(key)
}

/// Splits the first word off, as OpenSSH's own files separate: blanks and tabs.
pub(crate) fn word(text: &str) -> (&str, &str) {
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start_matches([' ', '\t'])),
        None => (text, ""),
    }
}

fn parse_private(section: &[u8]) -> Result<SigningKey, KeyTextError> {
    let mut reader = Reader(section);
    if reader.u32("check number")? != reader.u32("check number")? {
        return Err(KeyTextError::Check);
    }
    expect_ed25519(&mut reader)?;
    let public = read_point(&mut reader)?;
    let pair = reader.string("private key")?;
    let Ok(pair) = <&[u8; 64]>::try_from(pair) else {
        let got = pair.len();
        return Err(KeyTextError::PrivateLength { got });
    };
    let _comment = reader.string("comment")?;
    let padding = reader.0;
    if padding.len() >= PADDING_BLOCK || !padding.iter().copied().eq(1..=padding.len() as u8) {
        return Err(KeyTextError::Padding);
    }
    let (seed, second) = pair.split_at(32);
    let seed = seed.try_into().expect("split at 32");
    let key = SigningKey::from_seed(seed);
    if key.public() != public || second != public.as_bytes() {
        return Err(KeyTextError::Halves);
    }
    Ok(key)
}

fn expect_ed25519(reader: &mut Reader<'_>) -> Result<(), KeyTextError> {
    let kind = reader.string("key type")?;
    if kind != ED25519 {
        let got = cut(&String::from_utf8_lossy(kind));
        return Err(KeyTextError::Type { got });
    }
    Ok(())
}

fn read_point(reader: &mut Reader<'_>) -> Result<PublicKey, KeyTextError> {
    let bytes = reader.string("public key bytes")?;
    let Ok(bytes) = bytes.try_into() else {
        let got = bytes.len();
        return Err(KeyTextError::PublicLength { got });
    };
    PublicKey::from_bytes(bytes).map_err(|_| KeyTextError::Point)
}

fn at_end(reader: &Reader<'_>) -> Result<(), KeyTextError> {
    match reader.0.len() {
        0 => Ok(()),
        got => Err(KeyTextError::TrailingBytes { got }),
    }
}

/// Foreign text for an error message, which quotes and escapes it.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

fn cap(got: usize, limit: usize) -> Result<(), KeyTextError> {
    match got > limit {
        true => Err(KeyTextError::TooLong { limit, got }),
        false => Ok(()),
    }
}

impl From<Truncated> for KeyTextError {
    fn from(Truncated(field): Truncated) -> Self {
        KeyTextError::Truncated(field)
    }
}

const MAGIC: &[u8] = b"openssh-key-v1\0";
const ARMOR_KIND: &str = "OPENSSH PRIVATE KEY";
/// The block size of cipher `none`.
const PADDING_BLOCK: usize = 8;
/// An ed25519 file has about 400 bytes and its comment. Large enough that an
/// RSA file is refused for its type, not for its length.
const PRIVATE_BYTES_MAX: usize = 16 * 1024;
const LINE_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests;
