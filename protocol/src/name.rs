//! Names of organisations and datasets (CHK-108): what may be one, and which two could be taken for each other.

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::{Code, Failure};

/// The most characters of a name.
pub const MAX_CHARS: usize = 64;

/// Why a text is no name. The code is `PEER_NAME`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no characters or too many.
    #[error("a name has 1 to {MAX_CHARS} characters")]
    Length,
    /// It is not in normal form NFC.
    #[error("a name is in Unicode normal form NFC")]
    NotNormal,
    /// It holds a control, format, bidirectional or other invisible character.
    #[error("a name holds no invisible character (U+{0:04X})")]
    Invisible(u32),
    /// It begins or ends with a space, or has two in a row.
    #[error("a name has no spaces at its ends and no two in a row")]
    Spaces,
    /// It holds a character that separates names.
    #[error("a name does not hold {0:?}")]
    Separator(char),
    /// A dataset's name has other characters than it may.
    #[error("a dataset's name is made of a-z, 0-9, '_' and '-', and begins with a letter")]
    Dataset,
    /// It could be taken for a name that is in use.
    #[error("the name could be taken for {0:?}, which is in use")]
    Confusable(String),
}

impl NameError {
    /// Its stable code.
    pub fn code(&self) -> Code {
        Code::new("PEER_NAME")
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::new(error.code(), error.to_string(), "choose another name.")
    }
}

/// The rules of an organisation's name: 1 to 64 characters, NFC, nothing invisible, no `/`, no stray spaces.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_organisation(name: &str) -> Result<(), NameError> {
    // A character is at most 4 bytes, so a long text is refused before it is walked.
    if name.is_empty() || name.len() > 4 * MAX_CHARS || name.chars().count() > MAX_CHARS {
        return Err(NameError::Length);
    }
    if let Some(character) = name.chars().find(|&c| is_forbidden(c)) {
        return Err(NameError::Invisible(u32::from(character)));
    }
    if !is_nfc(name) {
        return Err(NameError::NotNormal);
    }
    if let Some(separator) = name.chars().find(|c| matches!(c, '/' | '\\')) {
        return Err(NameError::Separator(separator));
    }
    if name.starts_with(' ') || name.ends_with(' ') || name.contains("  ") {
        return Err(NameError::Spaces);
    }
    Ok(())
}

/// The rules of a dataset's name: 1 to 64 of `a-z`, `0-9`, `_` and `-`, first a letter.
///
/// # Errors
/// It breaks them.
pub fn check_dataset(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > MAX_CHARS {
        return Err(NameError::Length);
    }
    let well_formed = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
        && name.starts_with(|c: char| c.is_ascii_lowercase());
    if well_formed { Ok(()) } else { Err(NameError::Dataset) }
}

/// What is left of a name when look-alikes are made equal: names with one skeleton could be taken for each other.
/// Case and spaces do not count.
pub fn skeleton(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect();
    let skeleton: String = unicode_security::skeleton(&folded).collect();
    skeleton.chars().flat_map(char::to_lowercase).nfc().collect()
}

/// Whether a new name could be taken for one of those in use.
///
/// # Errors
/// `PEER_NAME`, with the name in use.
pub fn check_unlike<'a>(name: &str, in_use: impl IntoIterator<Item = &'a str>) -> Result<(), NameError> {
    let ours = skeleton(name);
    match in_use.into_iter().find(|other| skeleton(other) == ours) {
        Some(other) => Err(NameError::Confusable(other.to_owned())),
        None => Ok(()),
    }
}

/// Whether a character has no place in a name or a line of text: controls, bidirectional and other format characters,
/// line separators, private use, and spaces other than the common one.
pub fn is_forbidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFD}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E000}'..='\u{F8FF}'
            | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_of_the_world() {
        for name in ["Maison", "Banque Privée", "東京銀行", "Łódź & Sons", "A1", "O'Neill (Ireland) Ltd."] {
            assert_eq!(check_organisation(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn refuses_what_could_mislead_chk_108() {
        let long = "x".repeat(65);
        for (name, error) in [
            ("", NameError::Length),
            (long.as_str(), NameError::Length),
            ("Privee\u{301}", NameError::NotNormal),
            ("Bank\u{202E}knaB", NameError::Invisible(0x202E)),
            ("Bank\u{200B}", NameError::Invisible(0x200B)),
            ("Bank\n", NameError::Invisible(0x0A)),
            ("Bank\u{7}", NameError::Invisible(0x07)),
            ("Bank\u{A0}Ltd", NameError::Invisible(0xA0)),
            (" Bank", NameError::Spaces),
            ("Bank  Ltd", NameError::Spaces),
            ("a/b", NameError::Separator('/')),
        ] {
            assert_eq!(check_organisation(name), Err(error.clone()), "{name:?}");
            assert_eq!(error.code().as_str(), "PEER_NAME");
        }
    }

    #[test]
    fn finds_names_that_could_be_taken_for_each_other_chk_108() {
        // Cyrillic a, digit one for l, full-width letters, case, spaces.
        for other in ["B\u{430}nque", "BANQUE", "\u{FF22}anque", "Ban que"] {
            assert_eq!(
                check_unlike(other, ["Maison", "Banque"]),
                Err(NameError::Confusable("Banque".into())),
                "{other}"
            );
        }
        assert_eq!(check_unlike("Pau1", ["paul"]), Err(NameError::Confusable("paul".into())));
        assert_eq!(check_unlike("Banco", ["Maison", "Banque"]), Ok(()));
    }

    #[test]
    fn dataset_names_are_plain() {
        assert_eq!(check_dataset("customers_2026-q1"), Ok(()));
        for name in ["Customers", "1st", "_x", "a b", "a/b", "é", "../x"] {
            assert_eq!(check_dataset(name), Err(NameError::Dataset), "{name}");
        }
        assert_eq!(check_dataset(""), Err(NameError::Length));
    }
}
