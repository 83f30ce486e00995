//! A scenario that is kept, with what was wrong in it.

use crate::scenario::Scenario;
use serde::{Deserialize, Serialize};

/// One file of scenarios that are kept by their content: no later change of what
/// is drawn from a seed changes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// What was wrong, in a sentence.
    pub wrong: String,
    /// The scenario that showed it.
    pub scenario: Scenario,
}
