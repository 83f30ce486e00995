//! What was said and is no fact, by cause.

/// Why something that was said is no fact: each is a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheard {
    /// It cannot be decoded; the reason of the wire.
    Malformed(&'static str),
    /// Longer than any message of ours.
    TooLong,
    /// Of another session, or of none.
    OtherSession,
    /// Of another version of the profile.
    Profile,
    /// Not sealed, or not by the one it names.
    Unproven,
    /// Heard before.
    Repeated,
    /// The signature does not match.
    Signature,
    /// Nobody that this session knows.
    Unknown,
    /// More than one may ask, say or register.
    Budget,
    /// It cannot be true.
    Implausible,
    /// Nothing that this machine takes.
    Kind,
    /// The session has ended.
    Late,
}

impl Unheard {
    /// A short name, to count under.
    pub fn name(self) -> &'static str {
        NAMES[self.index()]
    }

    fn index(self) -> usize {
        match self {
            Unheard::Malformed(_) => 0,
            Unheard::TooLong => 1,
            Unheard::OtherSession => 2,
            Unheard::Profile => 3,
            Unheard::Unproven => 4,
            Unheard::Repeated => 5,
            Unheard::Signature => 6,
            Unheard::Unknown => 7,
            Unheard::Budget => 8,
            Unheard::Implausible => 9,
            Unheard::Kind => 10,
            Unheard::Late => 11,
        }
    }
}

const NAMES: [&str; 12] = [
    "malformed",
    "too long",
    "other session",
    "other profile",
    "unproven",
    "repeated",
    "signature",
    "unknown",
    "over budget",
    "implausible",
    "kind",
    "late",
];

/// How often each cause came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnheardCounts([u64; NAMES.len()]);

impl UnheardCounts {
    /// Counts one.
    pub fn add(&mut self, cause: Unheard) {
        self.0[cause.index()] += 1;
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those that came, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let named = NAMES.into_iter().zip(self.0);
        named.filter(|(_, count)| *count > 0)
    }
}
