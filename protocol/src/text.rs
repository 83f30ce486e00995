//! What strangers name, made fit to be shown to a person.

use core::fmt::{self, Write as _};

/// Characters of a stranger's text that are shown at most.
const SHOWN_MAX: usize = 400;

/// Whether a person sees this character as what it is. Controls move the cursor
/// or begin escape sequences; format characters (Unicode general category Cf, and
/// the separators of lines and paragraphs) turn text around or hide in it.
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A text in one line, safe for a terminal or a log: what is not printable is
/// written as `\u{...}`, and what is longer than a few hundred characters is cut.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, c) in self.0.chars().enumerate() {
            if at == SHOWN_MAX {
                return f.write_str("...");
            }
            if is_printable(c) {
                f.write_char(c)?;
            } else {
                write!(f, "{}", c.escape_unicode())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_newlines_and_hidden_turns_become_visible() {
        let text = "a\u{1b}[31m\u{7}\nlinecast: ok\r\u{202e}b\u{200b}\u{9b}c";
        let shown = format!("{}", Printable(text));
        let wanted = "a\\u{1b}[31m\\u{7}\\u{a}linecast: ok\\u{d}\\u{202e}b\\u{200b}\\u{9b}c";
        assert_eq!(shown, wanted, "{text:?}");
    }

    #[test]
    fn names_in_any_script_stay_as_they_are() {
        for name in ["Prüfstand-7", "ライン3", "линия", "สาย", "a \"b\" \\ 'c'"] {
            assert_eq!(format!("{}", Printable(name)), name);
        }
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let long = "x".repeat(60_000);
        assert_eq!(format!("{}", Printable(&long)).len(), SHOWN_MAX + 3);
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_moves_a_cursor(text: String) {
            let shown = format!("{}", Printable(&text));
            prop_assert!(shown.chars().all(is_printable));
        }
    }
}
