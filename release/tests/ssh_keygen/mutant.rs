//! Signed manifests, and what becomes of them when something is changed in the
//! manifest, in the fields of its signature, or in the signature's text.
use base64ct::{Base64, Encoding};
use linecast_protocol::key::SigningKey;
use linecast_protocol::random::Random;
use linecast_release::manifest::Manifest;
use linecast_release::sshsig::MANIFEST_NAMESPACE;
use sha2::{Digest, Sha256, Sha512};

/// A manifest's bytes with the text of a signature, and what was done to them.
pub(crate) struct Mutant {
    pub(crate) message: Vec<u8>,
    pub(crate) armored: Vec<u8>,
    pub(crate) change: &'static str,
}

/// The key that the verifiers trust.
pub(crate) fn trusted() -> SigningKey {
    SigningKey::from_seed([4; 32])
}

/// A mutant of its own for each seed.
pub(crate) fn mutant(seed: u64) -> Mutant {
    let mut random = Random::new(seed);
    let mut message = manifest(&mut random);
    let mut fields = Fields::signed(&trusted(), &message, "sha512");
    let (change, armored) = match random.next_u64() % 10 {
        0..3 => (change_bytes(&mut random, &mut message), fields.armored(70)),
        3 => change_field(&mut random, &mut fields, &message),
        4..7 => {
            let mut blob = fields.blob();
            let change = change_bytes(&mut random, &mut blob);
            (change, armor(&blob, 70))
        }
        _ => {
            let mut text = fields.armored(70);
            (change_text(&mut random, &mut text, &fields), text)
        }
    };
    Mutant {
        message,
        armored,
        change,
    }
}

fn manifest(random: &mut Random) -> Vec<u8> {
    let mut word = |limit| random.next_u64() % limit;
    let manifest = Manifest {
        name: format!("fw-{}.img", word(1000)),
        version: word(1 << 53),
        hardware: (0..word(4)).map(|n| format!("board-{n}")).collect(),
        target: (word(2) == 0).then(|| "rootfs".into()),
        size_bytes: word(1 << 48),
        root_b3: [word(256) as u8; 32],
        sha256: None,
        created: word(1 << 31),
        expires: None,
    };
    manifest.to_bytes()
}

/// One edit such as a bad disk, a bad line or a forger makes.
fn change_bytes(random: &mut Random, bytes: &mut Vec<u8>) -> &'static str {
    let at = random.next_u64() as usize % bytes.len();
    let other = random.next_u64() as usize % bytes.len();
    let byte = random.next_u64() as u8;
    match random.next_u64() % 10 {
        0..4 => bytes[at] ^= 1 << (byte % 8),
        4 => bytes[at] = byte,
        5 => bytes.insert(at, byte),
        6 => drop(bytes.remove(at)),
        7 => bytes.truncate(at),
        8 => bytes.swap(at, other),
        _ => bytes.push(byte),
    }
    "bytes"
}

/// The fields of a signature (PROTOCOL.sshsig of OpenSSH).
#[derive(Clone)]
pub(crate) struct Fields {
    pub(crate) version: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) namespace: Vec<u8>,
    pub(crate) reserved: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    pub(crate) kind: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Fields {
    /// The fields of `key`'s signature of `message`, by way of `hash`.
    pub(crate) fn signed(key: &SigningKey, message: &[u8], hash: &str) -> Fields {
        let digest = match hash {
            "sha256" => Sha256::digest(message).to_vec(),
            _ => Sha512::digest(message).to_vec(),
        };
        let mut data = b"SSHSIG".to_vec();
        for field in [MANIFEST_NAMESPACE.as_bytes(), b"", hash.as_bytes(), &digest] {
            put(&mut data, field);
        }
        Fields {
            version: 1,
            key: key.public().to_blob().to_vec(),
            namespace: MANIFEST_NAMESPACE.into(),
            reserved: Vec::new(),
            hash: hash.into(),
            kind: b"ssh-ed25519".to_vec(),
            signature: key.sign_bytes(&data).to_vec(),
        }
    }

    pub(crate) fn blob(&self) -> Vec<u8> {
        let mut signature = Vec::new();
        put(&mut signature, &self.kind);
        put(&mut signature, &self.signature);
        let mut blob = b"SSHSIG".to_vec();
        blob.extend_from_slice(&self.version.to_be_bytes());
        let fields = [&self.key, &self.namespace, &self.reserved, &self.hash];
        for field in fields.into_iter().chain([&signature]) {
            put(&mut blob, field);
        }
        blob
    }

    /// The text, `width` characters a line.
    pub(crate) fn armored(&self, width: usize) -> Vec<u8> {
        armor(&self.blob(), width)
    }
}

fn put(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&(field.len() as u32).to_be_bytes());
    out.extend_from_slice(field);
}

pub(crate) fn armor(blob: &[u8], width: usize) -> Vec<u8> {
    let base64 = Base64::encode_string(blob);
    let mut text = b"-----BEGIN SSH SIGNATURE-----\n".to_vec();
    for line in base64.as_bytes().chunks(width) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(b"-----END SSH SIGNATURE-----\n");
    text
}

/// A signature that is well formed: of another kind, by another key, or good.
fn change_field(
    random: &mut Random,
    fields: &mut Fields,
    message: &[u8],
) -> (&'static str, Vec<u8>) {
    match random.next_u64() % 12 {
        0 => fields.version = random.next_u64() as u32 % 4,
        1 => fields.namespace = b"file".to_vec(),
        2 => fields.namespace.extend_from_slice(b"x"),
        3 => fields.namespace.clear(),
        4 => fields.hash = b"sha256".to_vec(),
        5 => fields.hash = b"md5".to_vec(),
        6 => *fields = Fields::signed(&trusted(), message, "sha256"),
        7 => *fields = Fields::signed(&SigningKey::from_seed([5; 32]), message, "sha512"),
        8 => fields.key = SigningKey::from_seed([5; 32]).public().to_blob().to_vec(),
        9 => fields.kind = b"rsa-sha2-512".to_vec(),
        10 => fields.signature.truncate(random.next_u64() as usize % 64),
        _ => fields.signature.push(0),
    }
    ("field", fields.armored(70))
}

/// Another way to write the text down, or one that is damaged.
fn change_text(random: &mut Random, text: &mut Vec<u8>, fields: &Fields) -> &'static str {
    let at = random.next_u64() as usize % text.len();
    let printable = b' ' + (random.next_u64() % 95) as u8;
    let mut lines: Vec<Vec<u8>> = text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    let line = random.next_u64() as usize % lines.len();
    match random.next_u64() % 10 {
        0 => text[at] = printable,
        1 => text.insert(at, printable),
        2 => drop(text.remove(at)),
        3 => *text = fields.armored(1 + random.next_u64() as usize % 76),
        4 => drop(text.pop()),
        5 => {
            lines.swap(line, 2);
            *text = lines.join(&b'\n');
        }
        6 => {
            lines.remove(line);
            *text = lines.join(&b'\n');
        }
        7 => {
            lines.insert(line, lines[line].clone());
            *text = lines.join(&b'\n');
        }
        8 => text.make_ascii_lowercase(),
        _ => return change_bytes(random, text),
    }
    "text"
}
