//! What may be a name in a manifest.
use crate::manifest::error::ManifestError;
use crate::manifest::limits::{NAME_BYTES_MAX, NAME_SIGNS, TARGET_BYTES_MAX};

/// Whether `name` may be an image's name. People may use it as a file name, and
/// dashboards show it, so it has 1 to [`NAME_BYTES_MAX`] letters, digits,
/// spaces or signs that mean nothing to a path, a shell pattern or HTML, starts
/// with none of `.`, `-` and space (so no name is hidden, an option, or `..`)
/// and ends in neither space nor dot.
pub fn check_name(name: &str) -> Result<(), ManifestError> {
    let (limit, got) = (NAME_BYTES_MAX, name.len());
    if !(1..=limit).contains(&got) {
        return Err(ManifestError::NameLength { limit, got });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || NAME_SIGNS.contains(c);
    if let Some(got) = name.chars().find(|&c| !allowed(c)) {
        return Err(ManifestError::NameCharacter { got });
    }
    if let Some(got) = name.chars().next().filter(|c| matches!(c, '.' | '-' | ' ')) {
        return Err(ManifestError::NameStart { got });
    }
    match name.chars().last().filter(|c| matches!(c, '.' | ' ')) {
        Some(got) => Err(ManifestError::NameEnd { got }),
        None => Ok(()),
    }
}

/// Whether `target` may name a kind of place in a device's own configuration.
/// It is a word to look up, never a path: 1 to [`TARGET_BYTES_MAX`] lower-case
/// letters, digits, `-`, `_` or `.`, with neither `-` nor `.` at the start.
pub fn check_target(target: &str) -> Result<(), ManifestError> {
    let (limit, got) = (TARGET_BYTES_MAX, target.len());
    if !(1..=limit).contains(&got) {
        return Err(ManifestError::TargetLength { limit, got });
    }
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
    if let Some(got) = target.chars().find(|&c| !allowed(c)) {
        return Err(ManifestError::TargetCharacter { got });
    }
    match target.chars().next().filter(|c| matches!(c, '-' | '.')) {
        Some(got) => Err(ManifestError::TargetStart { got }),
        None => Ok(()),
    }
}
