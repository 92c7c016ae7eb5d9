//! What a backup is sealed by: the node's key file, or a passphrase.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::BackupError;
use crate::keys::NodeKey;

const PURPOSE: &str = "backup";
const SALT_BYTES: usize = 16;
/// Argon2id as RFC 9106 recommends where memory is scarce: 64 MiB, 3 passes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// What a file may ask for at most.
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 16;
/// The shortest passphrase.
const LEAST_CHARACTERS: usize = 12;
const MOST_BYTES: usize = 4096;

/// What to seal a backup by.
pub enum Sealing<'a> {
    /// The node's key file, which is not in it.
    KeyFile(&'a NodeKey),
    /// A passphrase. The node's key file is in it.
    Passphrase(&'a str, &'a NodeKey),
}

impl Sealing<'_> {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::KeyFile(_) => "key file",
            Self::Passphrase(..) => "passphrase",
        }
    }
}

/// What to open a backup by.
pub enum Opening {
    /// The node's key file.
    KeyFile(NodeKey),
    /// The passphrase.
    Passphrase(Zeroizing<String>),
}

/// How the key of a file is sealed, as its header says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Lock {
    /// By the key file.
    KeyFile { sealed: String },
    /// By a passphrase through Argon2id.
    Passphrase { salt: String, memory_kib: u32, passes: u32, sealed: String },
}

impl Lock {
    /// Seals a fresh key.
    pub(super) fn close(key: &NodeKey, sealing: &Sealing<'_>, rng: &mut dyn CryptoRng) -> Result<Self, BackupError> {
        let sealed = |by: &NodeKey, rng: &mut dyn CryptoRng| {
            HEXLOWER.encode(&by.sealer(PURPOSE).seal(PURPOSE.as_bytes(), key.expose(), rng))
        };
        match sealing {
            Sealing::KeyFile(node_key) => Ok(Self::KeyFile { sealed: sealed(node_key, rng) }),
            Sealing::Passphrase(passphrase, _) => {
                check(passphrase)?;
                let mut salt = [0; SALT_BYTES];
                rng.fill_bytes(&mut salt);
                let by = stretch(passphrase, &salt, MEMORY_KIB, PASSES)?;
                let sealed = sealed(&by, rng);
                Ok(Self::Passphrase { salt: HEXLOWER.encode(&salt), memory_kib: MEMORY_KIB, passes: PASSES, sealed })
            }
        }
    }

    /// Opens the key.
    pub(super) fn open(&self, opening: &Opening) -> Result<NodeKey, BackupError> {
        let form = |what: &str| BackupError::Form(format!("its header: {what}"));
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).map_err(|_| form("no hexadecimal digits"));
        let (by, sealed, what) = match (self, opening) {
            (Self::KeyFile { sealed }, Opening::KeyFile(key)) => (key.clone(), hex(sealed)?, "key file"),
            (Self::Passphrase { salt, memory_kib, passes, sealed }, Opening::Passphrase(passphrase)) => {
                if *memory_kib > MOST_MEMORY_KIB || *passes > MOST_PASSES {
                    return Err(form("it asks for more work than backups do"));
                }
                (stretch(passphrase, &hex(salt)?, *memory_kib, *passes)?, hex(sealed)?, "passphrase")
            }
            (Self::KeyFile { .. }, Opening::Passphrase(_)) => {
                return Err(form("it is sealed by the node's key file: name that by --key"));
            }
            (Self::Passphrase { .. }, Opening::KeyFile(_)) => {
                return Err(form("it is sealed by a passphrase: name its file by --passphrase-file"));
            }
        };
        let opened = by.sealer(PURPOSE).open(PURPOSE.as_bytes(), &sealed).map_err(|_| BackupError::Key(what))?;
        let bytes = opened.as_slice().try_into().map_err(|_| form("a key of another length"))?;
        Ok(NodeKey::of_bytes(bytes))
    }
}

/// Reads a passphrase: the first line of a file.
///
/// # Errors
/// The file cannot be read, or the passphrase is too short.
pub fn read_passphrase(path: &Path) -> Result<Zeroizing<String>, BackupError> {
    let failed = |source| BackupError::file(path.display().to_string(), source);
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let passphrase = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
    check(&passphrase)?;
    Ok(passphrase)
}

pub(super) fn check(passphrase: &str) -> Result<(), BackupError> {
    if passphrase.len() > MOST_BYTES {
        return Err(BackupError::Passphrase(format!("has more than {MOST_BYTES} bytes")));
    }
    if passphrase.chars().count() < LEAST_CHARACTERS {
        return Err(BackupError::Passphrase(format!("has fewer than {LEAST_CHARACTERS} characters")));
    }
    Ok(())
}

fn stretch(passphrase: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Result<NodeKey, BackupError> {
    let form = |cause: argon2::Error| BackupError::Form(format!("its header: {cause}"));
    let params = Params::new(memory_kib, passes, 1, Some(32)).map_err(form)?;
    let mut key = Zeroizing::new([0; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice()).map_err(form)?;
    Ok(NodeKey::of_bytes(*key))
}
