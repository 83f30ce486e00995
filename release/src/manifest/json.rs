//! The JSON text of a manifest. Reading keeps keys as they come, so that a
//! duplicate or a missing key, a wrong type and an unknown schema are
//! different errors.
use crate::manifest::description::Manifest;
use crate::manifest::error::ManifestError;
use crate::manifest::limits::{MANIFEST_BYTES_MAX, SCHEMA, SCHEMA_V1};
use crate::rfc3339::{parse_rfc3339, rfc3339};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use linecast_protocol::object::tree::Hash;
use linecast_protocol::{hash_from_hex, hex};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, error::Category};

impl Manifest {
    /// Reads a manifest. Its signature should have been checked before: this
    /// is the first thing that looks inside the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        parse(bytes)
    }

    /// Writes the manifest as indented JSON: the bytes to sign. Fields outside
    /// their limits are written as they are, and [`Manifest::parse`] refuses
    /// them: see [`Manifest::check_limits`].
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }
}

fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err(ManifestError::TooLong {
            limit: MANIFEST_BYTES_MAX,
            got: bytes.len(),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Pairs(pairs) =
        Pairs::deserialize(&mut deserializer).map_err(|error| read_error(error, bytes))?;
    deserializer
        .end()
        .map_err(|error| ManifestError::TrailingBytes {
            line: error.line(),
            column: error.column(),
        })?;
    let mut fields = Fields::of(pairs)?;
    // The schema first: of a manifest of another schema nothing else is known.
    let schema = fields.text("schema")?;
    let keys: &[Key] = match schema.as_str() {
        SCHEMA => &KEYS,
        SCHEMA_V1 => &KEYS[..KEYS_V1],
        other => return Err(ManifestError::Schema { got: cut(other) }),
    };
    fields.check_keys(keys)?;
    let manifest = Manifest {
        name: fields.text("name")?,
        version: fields.count("version")?,
        hardware: fields.hardware()?,
        target: match fields.has("target") {
            true => Some(fields.text("target")?),
            false => None,
        },
        size_bytes: fields.count("size_bytes")?,
        root_b3: fields.hash("root_b3")?,
        sha256: match fields.has("sha256") {
            true => Some(fields.hash("sha256")?),
            false => None,
        },
        created: fields.time("created")?,
        expires: match fields.has("expires") {
            true => Some(fields.time("expires")?),
            false => None,
        },
    };
    manifest.check_limits()?;
    Ok(manifest)
}

fn to_bytes(manifest: &Manifest) -> Vec<u8> {
    let text = Text {
        schema: SCHEMA,
        name: &manifest.name,
        version: manifest.version,
        hardware: &manifest.hardware,
        target: manifest.target.as_deref(),
        size_bytes: manifest.size_bytes,
        root_b3: hex(&manifest.root_b3),
        sha256: manifest.sha256.map(|hash| hex(&hash)),
        created: rfc3339(manifest.created),
        expires: manifest.expires.map(rfc3339),
    };
    let mut bytes = serde_json::to_vec_pretty(&text).expect("strings and numbers always serialise");
    bytes.push(b'\n');
    bytes
}

/// The order of keys in the file.
#[derive(Serialize)]
struct Text<'a> {
    schema: &'a str,
    name: &'a str,
    version: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hardware: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    size_bytes: u64,
    root_b3: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

/// A key of the schema, and whether it must be there.
type Key = (&'static str, bool);

/// The keys of the schema, those of its first version first.
const KEYS: [Key; 10] = [
    ("schema", true),
    ("name", true),
    ("version", true),
    ("size_bytes", true),
    ("root_b3", true),
    ("created", true),
    ("hardware", false),
    ("sha256", false),
    ("expires", false),
    ("target", false),
];
const KEYS_V1: usize = 9;

/// A JSON object as its pairs, in order, duplicates included.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

fn read_error(error: serde_json::Error, bytes: &[u8]) -> ManifestError {
    match error.classify() {
        Category::Data => ManifestError::NotAnObject {
            got: match bytes.trim_ascii_start().first() {
                Some(b'[') => "a list",
                Some(b'"') => "text",
                Some(b't' | b'f') => "true or false",
                Some(b'n') => "null",
                _ => "a number",
            },
        },
        // The place is told apart; the rest is one of serde_json's own texts.
        _ => ManifestError::NotJson {
            why: error
                .to_string()
                .split_once(" at line ")
                .map_or_else(String::new, |(why, _)| why.into()),
            line: error.line(),
            column: error.column(),
        },
    }
}

/// The pairs, each key once.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn of(pairs: Vec<(String, Value)>) -> Result<Fields, ManifestError> {
        let mut keys: Vec<&String> = pairs.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ManifestError::DuplicateKey(cut(pair[0]))),
            None => Ok(Fields(pairs)),
        }
    }

    fn check_keys(&self, keys: &[Key]) -> Result<(), ManifestError> {
        let known = |name: &str| keys.iter().any(|(key, _)| *key == name);
        if let Some((key, _)) = self.0.iter().find(|(key, _)| !known(key)) {
            return Err(ManifestError::UnknownKey(cut(key)));
        }
        match keys.iter().find(|(key, must)| *must && !self.has(key)) {
            Some((key, _)) => Err(ManifestError::MissingKey(key)),
            None => Ok(()),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    fn take(&mut self, key: &'static str) -> Result<Value, ManifestError> {
        let pair = self.0.iter_mut().find(|(name, _)| name == key);
        pair.map(|(_, value)| value.take())
            .ok_or(ManifestError::MissingKey(key))
    }

    fn text(&mut self, key: &'static str) -> Result<String, ManifestError> {
        let expected = "text";
        match self.take(key)? {
            Value::String(text) => Ok(text),
            other => Err(wrong_type(key, expected, kind(&other))),
        }
    }

    fn count(&mut self, key: &'static str) -> Result<u64, ManifestError> {
        let expected = "a whole number from 0 on";
        let value = self.take(key)?;
        value
            .as_u64()
            .ok_or_else(|| wrong_type(key, expected, kind(&value)))
    }

    fn hash(&mut self, key: &'static str) -> Result<Hash, ManifestError> {
        let text = self.text(key)?;
        hash_from_hex(&text).ok_or_else(|| {
            let got = text.chars().count();
            let is_digit = |c| matches!(c, '0'..='9' | 'a'..='f');
            match text.chars().position(|c| !is_digit(c)) {
                Some(at) if got == 64 => ManifestError::HashDigit {
                    key,
                    at: at + 1,
                    got: text.chars().nth(at).expect("it is there"),
                },
                _ => ManifestError::HashLength { key, got },
            }
        })
    }

    fn time(&mut self, key: &'static str) -> Result<u64, ManifestError> {
        let text = self.text(key)?;
        parse_rfc3339(&text).ok_or_else(|| {
            let got = cut(&text);
            ManifestError::Time { key, got }
        })
    }

    fn hardware(&mut self) -> Result<Vec<String>, ManifestError> {
        if !self.has("hardware") {
            return Ok(Vec::new());
        }
        let (key, expected) = ("hardware", "a list of texts");
        let items = match self.take(key)? {
            Value::Array(items) => items,
            other => return Err(wrong_type(key, expected, kind(&other))),
        };
        items
            .into_iter()
            .map(|item| match item {
                Value::String(id) => Ok(id),
                other => Err(wrong_type(key, expected, kind(&other) + " in it")),
            })
            .collect()
    }
}

fn wrong_type(key: &'static str, expected: &'static str, got: String) -> ManifestError {
    ManifestError::Type { key, expected, got }
}

/// What a value is, in words that are not the manifest's own.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "text".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// Foreign text for an error message, which quotes and escapes it.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
