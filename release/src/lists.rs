//! Files of keys: whom to trust with releases, and which receivers to expect.
use crate::openssh::{KeyTextError, read_public, word};
use crate::sshsig::MANIFEST_NAMESPACE;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use linecast_protocol::key::PublicKey;
use linecast_protocol::text::is_printable;

/// Most keys a trust file may name.
pub const TRUST_MAX: usize = 1024;
/// Most receivers a roster may name.
pub const ROSTER_MAX: usize = 65_536;

/// Why a trust file or a roster is refused. Lines are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// More lines with keys than a list may have.
    #[error("key list: at most {limit} keys")]
    TooMany {
        /// [`TRUST_MAX`] or [`ROSTER_MAX`].
        limit: usize,
    },
    /// The line's key is not usable.
    #[error("line {line}: {error}")]
    Key {
        /// Line number.
        line: usize,
        /// What is wrong with it.
        error: KeyTextError,
    },
    /// The line has a name and no key.
    #[error("line {line}: `NAME ssh-ed25519 AAAA...` expected")]
    NoKey {
        /// Line number.
        line: usize,
    },
    /// The name is empty, too long, or has characters that are not printable ASCII.
    #[error("line {line}: name of 1 to {limit} printable characters expected")]
    Name {
        /// Line number.
        line: usize,
        /// Bytes a name may have.
        limit: usize,
    },
    /// An option that restricts the key in a way linecast cannot honour.
    /// Ignoring it would trust the key more than the file says.
    #[error("line {line}: option {option:?} is not supported")]
    Option {
        /// Line number.
        line: usize,
        /// The option's name.
        option: String,
    },
    /// A quotation mark without its partner.
    #[error("line {line}: unterminated quotation mark")]
    Quote {
        /// Line number.
        line: usize,
    },
    /// Two receivers of one name.
    #[error("line {line}: receiver {name} is already on line {first}")]
    DuplicateName {
        /// Line number.
        line: usize,
        /// Where the name was first.
        first: usize,
        /// The name.
        name: String,
    },
    /// Two receivers with one key, who could vote for each other.
    #[error("line {line}: the key of {name} is already on line {first}")]
    DuplicateKey {
        /// Line number.
        line: usize,
        /// Where the key was first.
        first: usize,
        /// The second name.
        name: String,
    },
    /// No line gives a key (for release manifests, in a trust file).
    #[error("no usable key in the file")]
    Empty,
}

/// The keys whose signatures of one kind are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustSet {
    names: BTreeMap<PublicKey, String>,
}

impl TrustSet {
    /// Reads `.pub` lines (`ssh-ed25519 AAAA… comment`) and OpenSSH
    /// `allowed_signers` lines (`principals [options] ssh-ed25519 AAAA…`), in
    /// any mixture, with blank lines and `#` comments: who may sign manifests.
    ///
    /// # Errors
    /// As [`TrustSet::parse_for`].
    pub fn parse(text: &str) -> Result<TrustSet, ListError> {
        TrustSet::parse_for(text, MANIFEST_NAMESPACE)
    }

    /// The same: who may sign in a namespace.
    ///
    /// # Errors
    /// A line is none of a trust file, or has an option that restricts its key in a
    /// way not honoured here. An entry whose `namespaces` option does not admit
    /// this one is passed over.
    pub fn parse_for(text: &str, namespace: &str) -> Result<TrustSet, ListError> {
        let mut names = BTreeMap::new();
        for (line, content) in numbered(text) {
            let Some((key, name)) = trust_line(line, content, namespace)? else {
                continue;
            };
            names.entry(key).or_insert(name);
            if names.len() > TRUST_MAX {
                return Err(ListError::TooMany { limit: TRUST_MAX });
            }
        }
        match names.is_empty() {
            true => Err(ListError::Empty),
            false => Ok(TrustSet { names }),
        }
    }

    /// Trusts exactly these keys, under the names given.
    pub fn from_keys(keys: impl IntoIterator<Item = (PublicKey, String)>) -> TrustSet {
        TrustSet {
            names: keys.into_iter().collect(),
        }
    }

    /// The name the file gives this key (comment or principals; its
    /// fingerprint if neither), or `None` if it is not trusted.
    pub fn contains(&self, key: &PublicKey) -> Option<&str> {
        self.names.get(key).map(String::as_str)
    }

    /// The trusted keys with their names, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&PublicKey, &str)> {
        self.names.iter().map(|(key, name)| (key, name.as_str()))
    }
}

/// The receivers a session expects, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    entries: Vec<(String, PublicKey)>,
    by_key: BTreeMap<PublicKey, usize>,
}

impl Roster {
    /// Reads lines `NAME ssh-ed25519 AAAA… [comment]`, with blank lines and
    /// `#` comments. Names and keys are each unique: one receiver, one vote.
    pub fn parse(text: &str) -> Result<Roster, ListError> {
        let mut entries = Vec::new();
        let mut lines = Vec::new();
        let (mut by_key, mut by_name) = (BTreeMap::new(), BTreeMap::new());
        for (line, content) in numbered(text) {
            let (name, rest) = word(content);
            if name.is_empty()
                || name.len() > NAME_MAX
                || !name.bytes().all(|b| b.is_ascii_graphic())
            {
                return Err(ListError::Name {
                    line,
                    limit: NAME_MAX,
                });
            }
            if rest.is_empty() {
                return Err(ListError::NoKey { line });
            }
            let (key, _comment) =
                read_public(rest).map_err(|error| ListError::Key { line, error })?;
            if entries.len() == ROSTER_MAX {
                return Err(ListError::TooMany { limit: ROSTER_MAX });
            }
            let index = entries.len();
            let name = String::from(name);
            if let Some(&at) = by_name.get(&name) {
                let first = lines[at];
                return Err(ListError::DuplicateName { line, first, name });
            }
            if let Some(&at) = by_key.get(&key) {
                let first = lines[at];
                return Err(ListError::DuplicateKey { line, first, name });
            }
            by_name.insert(name.clone(), index);
            by_key.insert(key, index);
            entries.push((name, key));
            lines.push(line);
        }
        match entries.is_empty() {
            true => Err(ListError::Empty),
            false => Ok(Roster { entries, by_key }),
        }
    }

    /// Names and keys, in the order of the file.
    pub fn entries(&self) -> &[(String, PublicKey)] {
        &self.entries
    }

    /// The name of the receiver with this key.
    pub fn name_of(&self, key: &PublicKey) -> Option<&str> {
        let index = *self.by_key.get(key)?;
        Some(&self.entries[index].0)
    }
}

/// Lines that say something, with their numbers.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// One line of a trust file; `None` if its key signs other things only.
fn trust_line(
    line: usize,
    content: &str,
    namespace: &str,
) -> Result<Option<(PublicKey, String)>, ListError> {
    let parse = |text| read_public(text).map_err(|error| ListError::Key { line, error });
    let (first, rest) = quoted_word(line, content)?;
    if is_key_type(first) {
        let (key, comment) = parse(content)?;
        let name = match comment {
            "" => key.fingerprint(),
            comment => printable(comment),
        };
        return Ok(Some((key, name)));
    }
    let name = printable(first.trim_matches('"'));
    if rest.is_empty() {
        return Err(ListError::NoKey { line });
    }
    let (second, after) = quoted_word(line, rest)?;
    if is_key_type(second) {
        let (key, _) = parse(rest)?;
        return Ok(Some((key, name)));
    }
    if after.is_empty() {
        return Err(ListError::NoKey { line });
    }
    let admitted = options_admit(line, second, namespace)?;
    let (key, _) = parse(after)?;
    Ok(admitted.then_some((key, name)))
}

/// Key types that OpenSSH names; a principal is never one of them.
fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
        && !word.contains('@')
}

/// Whether the options of an allowed_signers line let the key sign in a namespace.
fn options_admit(line: usize, options: &str, namespace: &str) -> Result<bool, ListError> {
    let mut seen = BTreeSet::new();
    let mut admitted = true;
    let mut rest = options;
    while !rest.is_empty() {
        let (option, after) = split_outside_quotes(rest, &[',']);
        rest = after;
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let name = name.to_ascii_lowercase();
        if name != "namespaces" || !seen.insert(name.clone()) {
            let option = printable(&name);
            return Err(ListError::Option { line, option });
        }
        let patterns = value.trim_matches('"');
        // Negated patterns would need OpenSSH's order of evaluation; nobody
        // writes them for namespaces.
        if patterns.contains('!') {
            let option = String::from("namespaces with '!'");
            return Err(ListError::Option { line, option });
        }
        admitted = patterns
            .split(',')
            .any(|pattern| matches(pattern.trim().as_bytes(), namespace.as_bytes()));
    }
    Ok(admitted)
}

/// Splits the first word off; blanks within quotation marks belong to it.
fn quoted_word(line: usize, text: &str) -> Result<(&str, &str), ListError> {
    let (word, rest) = split_outside_quotes(text, &[' ', '\t']);
    if word.matches('"').count() % 2 == 1 {
        return Err(ListError::Quote { line });
    }
    Ok((word, rest.trim_start_matches([' ', '\t'])))
}

fn split_outside_quotes<'a>(text: &'a str, separators: &[char]) -> (&'a str, &'a str) {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        if character == '"' {
            quoted = !quoted;
        } else if !quoted && separators.contains(&character) {
            return (&text[..at], &text[at + 1..]);
        }
    }
    (text, "")
}

/// OpenSSH's patterns: `*` is any run of characters, `?` any one. Iterative,
/// with one point to return to, so that no pattern costs more than
/// `pattern × text` steps.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Names are shown on terminals and in reports: only what is seen, bounded.
fn printable(name: &str) -> String {
    name.chars()
        .filter(|&c| is_printable(c))
        .take(NAME_MAX)
        .collect()
}

const NAME_MAX: usize = 128;

#[cfg(test)]
mod tests;
