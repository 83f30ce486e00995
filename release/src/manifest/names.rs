//! What may be a name in a manifest.
use crate::manifest::error::ManifestError;
use crate::manifest::limits::{NAME_BYTES_MAX, NAME_SIGNS};

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
    let edge = |c: &char| matches!(c, '.' | '-' | ' ');
    if let Some(got) = name.chars().next().filter(edge) {
        return Err(ManifestError::NameEdge { got });
    }
    if let Some(got) = name.chars().last().filter(|c| matches!(c, '.' | ' ')) {
        return Err(ManifestError::NameEdge { got });
    }
    Ok(())
}
