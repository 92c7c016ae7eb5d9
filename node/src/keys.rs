//! The node's secrets, sealed at rest.
//!
//! *Keys*: the key file (`node.key`, mode 0600, 32 random bytes in hex) can be kept apart from the node's directory; it
//! opens everything else. Sealing keys are derived from it, one for each purpose. The identity seed lies sealed in
//! the store. *Scheme*: AES-256-GCM under a random 96-bit nonce; a purpose may seal 2^32 messages. *Form*: version 1,
//! nonce, ciphertext and tag. The purpose and the associated data are bound to it.
//! *Security*: keys and opened secrets are overwritten when dropped; key schedules inside the cipher are not.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use tacit_protocol::{Code, Failure, Identity};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::reseal::Reseal;
use crate::store::trees::{Care, KnownTree, Sealed};
use crate::store::{Batch, Store, StoreError, TreeName};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const SEAL_VERSION: u8 = 1;

/// How many bytes sealing adds.
pub const SEAL_OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

const SECRETS: TreeName = TreeName::new("secrets");
/// The tree of the node's own secrets, each sealed by the key file.
pub(crate) const TREES: [KnownTree; 1] =
    [KnownTree::of_bytes(SECRETS, Care::Keep).sealed(Sealed::Inside(reseal_secret))];
const IDENTITY: &[u8] = b"identity";
/// What the identity is sealed for.
const PURPOSE: &str = "identity";

/// What can go wrong with keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key file cannot be read or written.
    #[error("the key file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Others than its owner may read the key file.
    #[error("the key file {path} has mode {mode:o}; only its owner may read it")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key file does not hold a key.
    #[error("the key file {path} does not hold 32 bytes in hexadecimal")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A key file is there already.
    #[error("the key file {path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Sealed bytes do not open: another key, another purpose, or altered (CHK-931).
    #[error("a sealed {purpose} does not open with this node's key file")]
    Sealed {
        /// What it is.
        purpose: &'static str,
    },
    /// The node has no identity yet.
    #[error("this directory holds no node")]
    NoIdentity,
    /// The node has an identity already.
    #[error("this directory holds a node already")]
    HasIdentity,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::File { .. } => Code::new("KEY_FILE"),
            Self::Permissions { .. } => Code::new("KEY_PERMISSIONS"),
            Self::Malformed { .. } => Code::new("KEY_MALFORMED"),
            Self::Exists { .. } | Self::HasIdentity => Code::new("KEY_EXISTS"),
            Self::Sealed { .. } => Code::new("KEY_SEALED"),
            Self::NoIdentity => Code::new("KEY_MISSING"),
            Self::Store(error) => error.code(),
        }
    }

    /// What the operator does next.
    pub fn next_step(&self) -> String {
        match self {
            Self::File { .. } => {
                "Check that the file is where the configuration says and that the node may read it.".into()
            }
            Self::Permissions { path, .. } => format!("Run: chmod 600 {}", path.display()),
            Self::Malformed { .. } | Self::Sealed { .. } => "Restore the key file that belongs to this node.".into(),
            Self::Exists { .. } | Self::HasIdentity => {
                "Choose another directory, or use the node that is there.".into()
            }
            Self::NoIdentity => "Run: tacit init".into(),
            Self::Store(error) => error.next_step().into(),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Failure::new(error.code(), error.to_string(), error.next_step())
    }
}

/// The key that opens everything the node has sealed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct NodeKey([u8; KEY_BYTES]);

impl NodeKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut key = Self([0; KEY_BYTES]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// A key of other secret bytes, such as those of a passphrase.
    pub(crate) fn of_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, to seal them under another key.
    pub(crate) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Writes this key to a key file of its own.
    ///
    /// # Errors
    /// As [`NodeKey::create_file`].
    pub(crate) fn write_file(&self, path: &Path) -> Result<(), KeyError> {
        let mut text = Zeroizing::new(data_encoding::HEXLOWER.encode(&self.0));
        text.push('\n');
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) => fs::File::open(parent)?.sync_all(),
                None => Ok(()),
            }
        });
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(KeyError::Exists { path: path.into() }),
            Err(source) => Err(KeyError::File { path: path.into(), source }),
        }
    }

    /// Makes a key file with a fresh key, mode 0600, on disk when it returns.
    ///
    /// # Errors
    /// [`KeyError::Exists`] if there is a file, [`KeyError::File`].
    pub fn create_file(path: &Path, rng: &mut dyn CryptoRng) -> Result<Self, KeyError> {
        let key = Self::generate(rng);
        key.write_file(path)?;
        Ok(key)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError::Permissions`] if others may read it, [`KeyError::Malformed`], [`KeyError::File`].
    pub fn read_file(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.into(), source };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyError::Permissions { path: path.into(), mode });
            }
        }
        let mut text = Zeroizing::new(String::with_capacity(128));
        let file = fs::File::open(path).map_err(failed)?;
        io::Read::read_to_string(&mut io::Read::take(file, 128), &mut text).map_err(failed)?;
        let malformed = || KeyError::Malformed { path: path.into() };
        let bytes =
            Zeroizing::new(data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| malformed())?);
        Ok(Self(bytes.as_slice().try_into().map_err(|_| malformed())?))
    }

    /// The key that seals things of one purpose.
    pub fn sealer(&self, purpose: &'static str) -> Sealer {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(b"tacit/seal/1/");
        mac.update(purpose.as_bytes());
        let mut key = mac.finalize().into_bytes();
        let cipher = Aes256Gcm::new(&key);
        key.as_mut_slice().zeroize();
        Sealer { purpose, cipher }
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(<redacted>)")
    }
}

/// Seals and opens things of one purpose (result shares, salts, chunks of datasets).
#[derive(Clone)]
pub struct Sealer {
    purpose: &'static str,
    cipher: Aes256Gcm,
}

impl Sealer {
    /// Seals a secret and binds it to associated data, which is not stored: whoever opens it names it again.
    pub fn seal(&self, associated: &[u8], secret: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: secret, aad: associated };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload).expect("far below the limit of AES-GCM");
        [&[SEAL_VERSION], nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Sealer::seal`] made of the same key, purpose and associated data.
    ///
    /// # Errors
    /// [`KeyError::Sealed`]. It does not say which of them was another.
    pub fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let refused = || KeyError::Sealed { purpose: self.purpose };
        let (&version, rest) = sealed.split_first().ok_or_else(refused)?;
        if version != SEAL_VERSION || rest.len() < NONCE_BYTES + TAG_BYTES {
            return Err(refused());
        }
        let (nonce, ciphertext) = rest.split_at(NONCE_BYTES);
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| refused())?;
        let payload = Payload { msg: ciphertext, aad: associated };
        let opened = self.cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_| refused())?;
        Ok(Zeroizing::new(opened))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({}, <redacted>)", self.purpose)
    }
}

/// The 32-byte seed of the node's Ed25519 identity.
#[derive(ZeroizeOnDrop)]
pub struct IdentitySeed([u8; KEY_BYTES]);

impl IdentitySeed {
    /// Makes an identity and stores it sealed.
    ///
    /// # Errors
    /// [`KeyError::HasIdentity`] if the store has one, [`KeyError::Store`].
    pub fn create(store: &dyn Store, key: &NodeKey, rng: &mut dyn CryptoRng) -> Result<Self, KeyError> {
        let mut seed = Self([0; KEY_BYTES]);
        rng.fill_bytes(&mut seed.0);
        let sealed = key.sealer(PURPOSE).seal(IDENTITY, &seed.0, rng);
        let batch = Batch::new().expect(SECRETS, IDENTITY, None).put(SECRETS, IDENTITY, &sealed);
        match store.apply(&batch) {
            Err(StoreError::Conflict { .. }) => return Err(KeyError::HasIdentity),
            other => other?,
        }
        store.flush()?;
        Ok(seed)
    }

    /// The writes that put another identity in the place of the one that the store has.
    pub(crate) fn put_in(batch: Batch, identity: &Identity, key: &NodeKey, rng: &mut dyn CryptoRng) -> Batch {
        let seed = identity.to_seed();
        batch.put(SECRETS, IDENTITY, &key.sealer(PURPOSE).seal(IDENTITY, seed.as_slice(), rng))
    }

    /// Opens the stored identity.
    ///
    /// # Errors
    /// [`KeyError::NoIdentity`], [`KeyError::Sealed`], [`KeyError::Store`].
    pub fn load(store: &dyn Store, key: &NodeKey) -> Result<Self, KeyError> {
        let sealed = store.get(SECRETS, IDENTITY)?.ok_or(KeyError::NoIdentity)?;
        let opened = key.sealer(PURPOSE).open(IDENTITY, &sealed)?;
        Ok(Self(opened.as_slice().try_into().map_err(|_| KeyError::Sealed { purpose: PURPOSE })?))
    }

    /// The seed, to make the key pair of.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

/// Seals a secret of the node again.
fn reseal_secret(reseal: &Reseal<'_>, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Failure> {
    match key {
        IDENTITY => Ok(reseal.again(PURPOSE, IDENTITY, sealed)?),
        other => {
            let message =
                format!("the store has a secret {:?} that cannot be sealed again", other.escape_ascii().to_string());
            Err(Failure::new(Code::new("KEY_SEALED"), message, "use the version of tacit that made it."))
        }
    }
}

impl fmt::Debug for IdentitySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentitySeed(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;

    use super::*;
    use crate::store::MemoryStore;

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(31)
    }

    #[test]
    fn opens_only_with_the_same_key_purpose_and_associated_data() {
        let (key, other) = (NodeKey::generate(&mut rng()), NodeKey([7; 32]));
        let sealer = key.sealer("salt");
        let sealed = sealer.seal(b"job 1", b"secret", &mut rng());
        assert_eq!(sealed.len(), 6 + SEAL_OVERHEAD_BYTES);
        assert_eq!(sealer.open(b"job 1", &sealed).expect("opens").as_slice(), b"secret");
        let refused = [
            sealer.open(b"job 2", &sealed),
            key.sealer("share").open(b"job 1", &sealed),
            other.sealer("salt").open(b"job 1", &sealed),
        ];
        for result in refused {
            assert_eq!(result.expect_err("refused").code().as_str(), "KEY_SEALED");
        }
    }

    #[test]
    fn refuses_sealed_bytes_altered_anywhere_or_cut() {
        let sealer = NodeKey::generate(&mut rng()).sealer("salt");
        let sealed = sealer.seal(b"", b"secret", &mut rng());
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert!(sealer.open(b"", &altered).is_err(), "byte {place}");
            assert!(sealer.open(b"", &sealed[..place]).is_err(), "cut to {place}");
        }
    }

    #[test]
    fn the_same_secret_is_sealed_to_other_bytes_each_time() {
        let (sealer, mut rng) = (NodeKey::generate(&mut rng()).sealer("salt"), rng());
        assert_ne!(sealer.seal(b"", b"secret", &mut rng), sealer.seal(b"", b"secret", &mut rng));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_is_private_and_refused_when_it_is_not() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("node.key");
        let key = NodeKey::create_file(&path, &mut rng()).expect("creates");
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(NodeKey::read_file(&path).expect("reads").0, key.0);
        assert_eq!(NodeKey::create_file(&path, &mut rng()).expect_err("there").code().as_str(), "KEY_EXISTS");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("sets");
        assert_eq!(NodeKey::read_file(&path).expect_err("open").code().as_str(), "KEY_PERMISSIONS");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("sets");
        fs::write(&path, "0011").expect("writes");
        assert_eq!(NodeKey::read_file(&path).expect_err("short").code().as_str(), "KEY_MALFORMED");
    }

    #[test]
    fn an_identity_is_made_once_and_loaded_with_its_key_alone() {
        let (store, key) = (MemoryStore::new(), NodeKey::generate(&mut rng()));
        assert_eq!(IdentitySeed::load(&store, &key).expect_err("none").code().as_str(), "KEY_MISSING");
        let seed = IdentitySeed::create(&store, &key, &mut rng()).expect("creates");
        assert_eq!(IdentitySeed::load(&store, &key).expect("loads").expose(), seed.expose());
        let again = IdentitySeed::create(&store, &key, &mut rng());
        assert_eq!(again.expect_err("there").code().as_str(), "KEY_EXISTS");
        assert_eq!(IdentitySeed::load(&store, &NodeKey([1; 32])).expect_err("key").code().as_str(), "KEY_SEALED");
        let stored = store.get(SECRETS, IDENTITY).expect("reads").expect("there");
        assert!(!stored.windows(8).any(|window| seed.expose().starts_with(window)), "the seed is not in the clear");
    }

    #[test]
    fn secrets_do_not_show() {
        let key = NodeKey([0xab; 32]);
        let shown = format!("{key:?} {:?} {:?}", key.sealer("salt"), IdentitySeed([0xab; 32]));
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("ab, "), "{shown}");
    }
}
