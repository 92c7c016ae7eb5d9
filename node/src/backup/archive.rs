//! The form of a backup: a header in clear, then sealed parts, each bound to the header and its place.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `TACITB01` |
//! | 4 | length of the header, little-endian, at most 16 KiB |
//! | | the header, JSON |
//! | 4, then so many | length of a sealed part, at most 20 MiB, and the part; again and again |
//!
//! A part is sealed under the file's key with the digest of the header and the part's number as associated data. The
//! last part says how many there are and the digest of all of them; nothing follows it.

use std::io::{Read, Write};

use bincode::{Decode, Encode};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BackupError;
use super::lock::{Lock, Opening, Sealing};
use crate::keys::{NodeKey, Sealer};

const MAGIC: &[u8; 8] = b"TACITB01";
const VERSION: u8 = 1;
const PURPOSE: &str = "backup-part";
const MAX_HEADER_BYTES: usize = 16 << 10;
const MAX_PART_BYTES: usize = 20 << 20;

/// What is in clear.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    version: u8,
    /// The organisation.
    pub(super) name: String,
    /// The node's PeerId.
    pub(super) peer: String,
    /// The software that made it.
    build: String,
    /// When it was made, Unix seconds.
    pub(super) at: u64,
    lock: Lock,
}

/// A part.
#[derive(Encode, Decode)]
pub(super) enum Part {
    /// Entries of a tree.
    Tree { name: String, entries: Vec<(Vec<u8>, Vec<u8>)> },
    /// The next bytes of a file.
    File { name: String, bytes: Vec<u8> },
    /// The end.
    End { parts: u64, digest: [u8; 32] },
}

/// Writes a backup.
pub(super) struct Writer<'a> {
    out: &'a mut dyn Write,
    sealer: Sealer,
    header: [u8; 32],
    parts: u64,
    digest: Sha256,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(
        out: &'a mut dyn Write,
        (name, peer, at): (&str, &str, u64),
        sealing: &Sealing<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, BackupError> {
        let key = NodeKey::generate(rng);
        let lock = Lock::close(&key, sealing, rng)?;
        let build = concat!("tacit ", env!("CARGO_PKG_VERSION")).to_owned();
        let header = Header { version: VERSION, name: name.into(), peer: peer.into(), build, at, lock };
        let header = serde_json::to_vec(&header).expect("a header serialises");
        let length = u32::try_from(header.len()).expect("a header is short").to_le_bytes();
        let begun = [MAGIC.as_slice(), &length, &header].concat();
        out.write_all(&begun).map_err(|source| BackupError::file("the backup", source))?;
        let sealer = key.sealer(PURPOSE);
        Ok(Self { out, sealer, header: Sha256::digest(&header).into(), parts: 0, digest: Sha256::new() })
    }

    pub(super) fn add(&mut self, part: &Part, rng: &mut dyn CryptoRng) -> Result<(), BackupError> {
        let bytes =
            bincode::encode_to_vec(part, bincode::config::standard()).expect("encoding to memory does not fail");
        let sealed = self.sealer.seal(&context(&self.header, self.parts), &bytes, rng);
        let length = u32::try_from(sealed.len()).ok().filter(|_| sealed.len() <= MAX_PART_BYTES);
        let length = length.ok_or_else(|| BackupError::Form("an entry is too large".into()))?;
        let written = self.out.write_all(&length.to_le_bytes()).and_then(|()| self.out.write_all(&sealed));
        written.map_err(|source| BackupError::file("the backup", source))?;
        self.parts += 1;
        self.digest.update(&bytes);
        Ok(())
    }

    pub(super) fn finish(mut self, rng: &mut dyn CryptoRng) -> Result<(), BackupError> {
        let end = Part::End { parts: self.parts, digest: self.digest.clone().finalize().into() };
        self.add(&end, rng)?;
        self.out.flush().map_err(|source| BackupError::file("the backup", source))
    }
}

/// Reads a backup, part by part.
pub(super) struct Reader<'a> {
    input: &'a mut dyn Read,
    pub(super) header: Header,
    sealer: Sealer,
    digest_of_header: [u8; 32],
    parts: u64,
    digest: Sha256,
}

impl<'a> Reader<'a> {
    pub(super) fn begin(input: &'a mut dyn Read, opening: &Opening) -> Result<Self, BackupError> {
        let form = |what: &str| BackupError::Form(what.to_owned());
        let mut start = [0; 12];
        input.read_exact(&mut start).map_err(|_| form("it is too short"))?;
        let length = start.strip_prefix(MAGIC.as_slice()).and_then(|rest| rest.try_into().ok());
        let length = u32::from_le_bytes(length.ok_or_else(|| form("it does not begin as one"))?) as usize;
        if length > MAX_HEADER_BYTES {
            return Err(form("its header is too long"));
        }
        let mut bytes = vec![0; length];
        input.read_exact(&mut bytes).map_err(|_| BackupError::Torn { parts: 0 })?;
        let header: Header = serde_json::from_slice(&bytes).map_err(|cause| form(&format!("its header: {cause}")))?;
        if header.version != VERSION {
            return Err(form(&format!("it has version {}, this software reads version {VERSION}", header.version)));
        }
        let sealer = header.lock.open(opening)?.sealer(PURPOSE);
        let digest_of_header = Sha256::digest(&bytes).into();
        Ok(Self { input, header, sealer, digest_of_header, parts: 0, digest: Sha256::new() })
    }

    /// The next part; the end, once everything before it is what was written.
    pub(super) fn next(&mut self) -> Result<Part, BackupError> {
        let torn = BackupError::Torn { parts: self.parts };
        let part = self.parts + 1;
        let damaged = || BackupError::Damaged { part };
        let mut length = [0; 4];
        self.input.read_exact(&mut length).map_err(|_| torn)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_PART_BYTES {
            return Err(damaged());
        }
        let mut sealed = vec![0; length];
        self.input.read_exact(&mut sealed).map_err(|_| BackupError::Torn { parts: self.parts })?;
        let opened = self.sealer.open(&context(&self.digest_of_header, self.parts), &sealed).map_err(|_| damaged())?;
        let config = bincode::config::standard().with_limit::<MAX_PART_BYTES>();
        let decoded = bincode::decode_from_slice::<Part, _>(&opened, config);
        let (decoded, _) = decoded.ok().filter(|(_, used)| *used == opened.len()).ok_or_else(damaged)?;
        if let Part::End { parts, digest } = &decoded {
            let mut rest = [0];
            let ended = self.input.read(&mut rest).map_err(|source| BackupError::file("the backup", source))? == 0;
            let whole: [u8; 32] = self.digest.clone().finalize().into();
            return if *parts == self.parts && *digest == whole && ended { Ok(decoded) } else { Err(damaged()) };
        }
        self.digest.update(opened.as_slice());
        self.parts += 1;
        Ok(decoded)
    }
}

fn context(header: &[u8; 32], number: u64) -> Vec<u8> {
    [header.as_slice(), &number.to_le_bytes()].concat()
}
