//! The tokens of the API: issued, listed, revoked, and checked at every call (CHK-901).
//!
//! *Form*: JWTs signed with EdDSA, by a key of the node's own whose seed lies sealed in the store, so that tokens live
//! over restarts. The header names the key (`kid`); the claims name the token (`jti`), this node (`iss`, `aud`), the
//! bearer and the role, and when it holds.
//! *Security*: a signature alone admits nobody: a token must stand in the node's register, which says whose it is and
//! whether it was revoked. Revocations and ends of keys go to a journal beside the store first, so that a store put back
//! from a copy revives none. Every change is in the log, and on the disk, before it takes effect; what outlives a call, such
//! as a stream of events, ends with the token of its caller. The token itself is shown once and kept nowhere.

mod jwt;
pub(crate) mod records;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rand_core::Rng;
use serde_json::json;
use tacit_protocol::api::{IssuedToken, Rotation, TokenInfo, TokenRequest, TokenRole};
use tacit_protocol::log::LogKind;
use tacit_protocol::{Code, Failure, name};
use tokio::sync::watch;

use crate::clock::{Clock, system_rng};
use crate::keys::Sealer;
use crate::log::Log;
use crate::private_file;
use crate::store::{Batch, Journal, Record, Store, StoreError};
use jwt::{Claims, SigningKey};
use records::{KEYS, KeyRecord, Note, TOKENS, TokenRecord};

/// The longest life of an operator's token, in seconds, and that of the local command line's.
pub const OPERATOR_SECONDS: u64 = 24 * 3600;
/// The longest life of an analyst's or auditor's token, in seconds.
pub const LONGEST_SECONDS: u64 = 90 * 24 * 3600;
/// The life of an analyst's or auditor's token whose caller names none, in seconds.
const USUAL_SECONDS: u64 = 30 * 24 * 3600;
/// The longest time that tokens of an old key still hold after a rotation, in seconds.
const LONGEST_GRACE: u64 = 7 * 24 * 3600;
/// Tokens that hold at a time. Each takes some hundred bytes of memory.
const MOST_TOKENS: usize = 1_000;
/// The longest that a wait for a token's end goes without a look at the clock, which may be set or stand still meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The name of the operator, which no analyst may bear: jobs carry it.
pub(crate) const OPERATOR: &str = "operator";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's id.
    pub token: String,
    /// What the bearer may do.
    pub role: TokenRole,
    /// Who the bearer is.
    pub subject: String,
    /// When the token ends.
    pub expires: u64,
}

impl Caller {
    /// The analyst who calls; none for other roles, which are not bound to jobs of their own.
    pub(crate) fn analyst(&self) -> Option<&str> {
        (self.role == TokenRole::Analyst).then_some(self.subject.as_str())
    }
}

/// What [`Tokens`] are made of.
pub struct Parts {
    /// The store, for keys and the register.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The log.
    pub log: Arc<Log>,
    /// What seals the signing keys.
    pub sealer: Sealer,
    /// The node's PeerId: audience and issuer.
    pub node: String,
    /// The file of the local command line's token.
    pub local_file: PathBuf,
}

/// Issues and checks the tokens of a node.
pub struct Tokens {
    parts: Parts,
    /// Held while something is changed: one change at a time, written to the disk under it.
    journal: Mutex<Journal>,
    /// What is checked at every call.
    view: RwLock<View>,
    /// Wakes those who wait for the end of a token.
    ended: watch::Sender<()>,
}

#[derive(Default)]
struct View {
    /// The keys whose tokens may still hold, by their ids.
    keys: BTreeMap<String, SigningKey>,
    /// The key that signs now.
    active: String,
    /// The register, by the tokens' ids.
    issued: BTreeMap<String, TokenRecord>,
    /// Tokens of the local command line, which live no longer than the process.
    local: BTreeMap<String, TokenRecord>,
}

impl Tokens {
    /// Opens keys and register, and makes the first key where there is none.
    ///
    /// # Errors
    /// A fault of the store or the journal, or `KEY_SEALED`.
    pub fn open(parts: Parts, journal: &Path) -> Result<Self, Failure> {
        let start = Journal::open(journal)?;
        Self::with_journal(parts, start.journal, &start.entries)
    }

    fn with_journal(parts: Parts, journal: Journal, notes: &[Vec<u8>]) -> Result<Self, Failure> {
        let mut view = View::default();
        let now = parts.clock.unix_seconds();
        let mut by_age = Vec::new();
        for (_, record) in KEYS.all(&*parts.store, b"")? {
            view.keys.insert(record.id.clone(), SigningKey::open(&record, &parts.sealer)?);
            by_age.push((record.created, record.id));
        }
        let issued = TOKENS.all(&*parts.store, b"")?;
        view.issued = issued.into_iter().map(|(_, token)| (token.id.clone(), token)).collect();
        // What the journal says holds whatever the store says, which may have been put back from a copy.
        for note in notes {
            view.take(Note::from_bytes(note)?);
        }
        by_age.retain(|(_, id)| view.keys.get(id).is_some_and(|key| key.ends().is_none()));
        view.active = by_age.into_iter().max().map(|(_, id)| id).unwrap_or_default();
        let (journal, view, ended) = (Mutex::new(journal), RwLock::new(view), watch::Sender::new(()));
        let tokens = Self { parts, journal, view, ended };
        if !tokens.view().keys.contains_key(&tokens.view().active) {
            let journal = tokens.lock();
            tokens.change_key(journal, now, now, "the first key for tokens was made")?;
        }
        Ok(tokens)
    }

    /// Issues a token. `by` is who asks for it.
    ///
    /// # Errors
    /// `USAGE_TOKEN` for a life or a subject that is none, `TOKEN_LIMIT`, a fault of the log or the store.
    pub fn issue(&self, request: &TokenRequest, by: &Caller) -> Result<IssuedToken, Failure> {
        check_subject(request)?;
        let seconds = life(request)?;
        let _journal = self.lock();
        let now = self.parts.clock.unix_seconds();
        self.forget_expired(now)?;
        if self.view().issued.values().filter(|token| token.holds(now)).count() >= MOST_TOKENS {
            let message = format!("{MOST_TOKENS} tokens hold already");
            return Err(Failure::new(Code::new("TOKEN_LIMIT"), message, "revoke some: `tacit token list`."));
        }
        let record = self.record(request.role, &request.subject, now, now.saturating_add(seconds));
        let token = self.sign(&record)?;
        let what = json!({ "token": record.id, "role": record.role, "subject": record.subject,
            "expires": record.expires, "by": by.subject, "text": "a token was issued" });
        self.parts.log.append(now, LogKind::Access, &what)?;
        TOKENS.put(&*self.parts.store, record.id.as_bytes(), &record)?;
        self.parts.store.flush()?;
        let info = self.info(&record);
        self.write(|view| view.issued.insert(record.id.clone(), record));
        Ok(IssuedToken { token, info })
    }

    /// The tokens that were issued and are not over, newest first. Those of the local command line are not among
    /// them.
    pub fn list(&self) -> Vec<TokenInfo> {
        let records: Vec<TokenRecord> = self.view().issued.values().cloned().collect();
        let now = self.parts.clock.unix_seconds();
        let infos = records.iter().map(|record| self.info(record)).filter(|info| now < info.expires);
        let mut infos: Vec<TokenInfo> = infos.collect();
        infos.sort_by(|a, b| (b.issued, &b.id).cmp(&(a.issued, &a.id)));
        infos
    }

    /// Ends a token, by its id or any unique start of it.
    ///
    /// # Errors
    /// `TOKEN_UNKNOWN`, a fault of the log, the journal or the store.
    pub fn revoke(&self, id: &str, by: &Caller) -> Result<TokenInfo, Failure> {
        let mut journal = self.lock();
        let mut record = self.find(id)?;
        if record.revoked.is_some() {
            return Ok(self.info(&record));
        }
        let now = self.parts.clock.unix_seconds();
        let what = json!({ "token": record.id, "subject": record.subject, "by": by.subject,
            "text": "a token was revoked" });
        self.parts.log.append(now, LogKind::Access, &what)?;
        journal.append(&Note::Revoked { token: record.id.clone(), at: now }.to_bytes())?;
        // On disk: it holds no longer, whether or not the store takes it too.
        self.write(|view| view.take(Note::Revoked { token: record.id.clone(), at: now }));
        self.ended.send_replace(());
        record.revoked = Some(now);
        TOKENS.put(&*self.parts.store, record.id.as_bytes(), &record)?;
        self.parts.store.flush()?;
        Ok(self.info(&record))
    }

    /// Makes a new key for tokens. Those of the old ones end after some seconds; the local command line gets a new one.
    ///
    /// # Errors
    /// `USAGE_TOKEN` for too long a grace, a fault of the log, the journal or the store.
    pub fn rotate(&self, grace_seconds: u64, by: &Caller) -> Result<Rotation, Failure> {
        if grace_seconds > LONGEST_GRACE {
            let message = format!("old tokens hold at most {LONGEST_GRACE} seconds longer, not {grace_seconds}");
            return Err(Failure::new(Code::new("USAGE_TOKEN"), message, "ask for less."));
        }
        let journal = self.lock();
        let now = self.parts.clock.unix_seconds();
        let old_end = now.saturating_add(grace_seconds);
        let text = format!("{} renewed the key for tokens", by.subject);
        let key = self.change_key(journal, now, old_end, &text)?;
        self.issue_local()?;
        Ok(Rotation { key, old_end })
    }

    /// Writes a fresh token for the local command line into its file, which only the node's user may read. Earlier ones
    /// hold until they end.
    ///
    /// # Errors
    /// `TOKEN_ISSUE`, or the file cannot be written.
    pub fn issue_local(&self) -> Result<(), Failure> {
        let now = self.parts.clock.unix_seconds();
        let record = self.record(TokenRole::Operator, OPERATOR, now, now + OPERATOR_SECONDS);
        let token = self.sign(&record)?;
        let id = record.id.clone();
        self.write(|view| {
            view.local.retain(|_, token| token.holds(now));
            view.local.insert(record.id.clone(), record);
        });
        // One that is in no file is of use to nobody.
        private_file::replace(&self.parts.local_file, &token)
            .inspect_err(|_| self.write(|view| drop(view.local.remove(&id))))
    }

    /// Issues a token for the local command line if the newest does not hold, or has less than half of its life left, by
    /// the node's clock. It may have been set, or have gone on while the machine slept.
    ///
    /// # Errors
    /// As [`Self::issue_local`].
    pub fn renew_local(&self) -> Result<(), Failure> {
        let now = self.parts.clock.unix_seconds();
        let is_fresh = {
            let view = self.view();
            let mut ends = view.local.keys().filter_map(|token| view.end_of(token, now));
            ends.any(|end| (OPERATOR_SECONDS / 2..=OPERATOR_SECONDS).contains(&(end - now)))
        };
        if is_fresh { Ok(()) } else { self.issue_local() }
    }

    /// Who bears a token (CHK-901): EdDSA only, a known key, this issuer and audience, within its time, in the register
    /// and not revoked.
    ///
    /// # Errors
    /// `TOKEN_INVALID`, which says no more of the token than whether it is over.
    pub fn caller(&self, token: &str) -> Result<Caller, Failure> {
        let view = self.view();
        let now = self.parts.clock.unix_seconds();
        let claims = jwt::kid(token)
            .and_then(|kid| view.keys.get(&kid))
            .filter(|key| key.holds(now))
            .and_then(|key| key.verify(token, &self.parts.node))
            .ok_or_else(|| invalid("the token is not one of this node, or its key was renewed"))?;
        claims.check_times(now).map_err(invalid)?;
        let record = view.record(&claims.jti).ok_or_else(|| invalid("the token is not in this node's register"))?;
        if record.revoked.is_some() {
            return Err(invalid("the token was revoked"));
        }
        if !record.says(&claims) {
            return Err(invalid("the token is not one of this node, or its key was renewed"));
        }
        let subject = record.subject.clone();
        Ok(Caller { token: record.id.clone(), role: record.role, subject, expires: claims.exp })
    }

    /// Whether a token that was good when its bearer called still is: some calls last.
    ///
    /// # Errors
    /// `TOKEN_INVALID`.
    pub fn still_holds(&self, token: &str) -> Result<(), Failure> {
        self.seconds_left(token).map(drop)
    }

    /// Waits until a token holds no longer: why.
    pub async fn void(&self, token: &str) -> Failure {
        let mut ended = self.ended.subscribe();
        loop {
            let left = match self.seconds_left(token) {
                Ok(left) => Duration::from_secs(left),
                Err(failure) => return failure,
            };
            tokio::select! {
                // The sender lives as long as this.
                _ = ended.changed() => {}
                () = tokio::time::sleep(left.min(LOOK_EVERY)) => {}
            }
        }
    }

    fn seconds_left(&self, token: &str) -> Result<u64, Failure> {
        let now = self.parts.clock.unix_seconds();
        let end = self.view().end_of(token, now);
        end.map(|end| end - now).ok_or_else(|| invalid("the token was revoked, is over, or its key was renewed"))
    }

    /// Makes a key, and ends the others at a time. It is active when this returns.
    ///
    /// Each step leaves what the next start would find: a key in the store does nothing by itself, an end in the journal
    /// holds whatever the store says.
    fn change_key(
        &self,
        mut journal: MutexGuard<'_, Journal>,
        now: u64,
        old_end: u64,
        text: &str,
    ) -> Result<String, Failure> {
        let old = KEYS.all(&*self.parts.store, b"")?;
        let (record, key) = SigningKey::make(&self.parts.sealer, now, &mut system_rng());
        let id = record.id.clone();
        KEYS.put(&*self.parts.store, id.as_bytes(), &record)?;
        self.parts.store.flush()?;
        let what = json!({ "key": id, "old_end": old_end, "text": text });
        self.parts.log.append(now, LogKind::Access, &what)?;
        self.write(|view| {
            view.keys.insert(id.clone(), key);
            view.active.clone_from(&id);
        });
        for (_, old) in old.iter().filter(|(_, old)| !old.is_over(now)) {
            let note = Note::KeyEnds { key: old.id.clone(), at: old.ends.map_or(old_end, |end| end.min(old_end)) };
            journal.append(&note.to_bytes())?;
            self.write(|view| view.take(note));
        }
        self.write(|view| view.keys.retain(|_, key| key.holds(now)));
        self.ended.send_replace(());
        if let Err(error) = self.tidy_keys(&old, now, old_end) {
            // The journal has their ends, and the next rotation looks at them again.
            tracing::warn!(code = %error.code(), "old keys for tokens stay in the store: {error}");
        }
        Ok(id)
    }

    /// Writes to the store what the journal says of old keys, and drops those that are over.
    fn tidy_keys(&self, old: &[(Vec<u8>, KeyRecord)], now: u64, old_end: u64) -> Result<(), StoreError> {
        let batch = old.iter().fold(Batch::new(), |batch, (key, old)| match old.is_over(now) {
            true => batch.delete(KEYS.name(), key),
            false => {
                let ends = Some(old.ends.map_or(old_end, |end| end.min(old_end)));
                KEYS.put_in(batch, key, &KeyRecord { ends, ..old.clone() })
            }
        });
        if batch.is_empty() { Ok(()) } else { self.parts.store.apply(&batch) }
    }

    fn record(&self, role: TokenRole, subject: &str, issued: u64, expires: u64) -> TokenRecord {
        let mut id = [0; 8];
        system_rng().fill_bytes(&mut id);
        let (id, key) = (data_encoding::HEXLOWER.encode(&id), self.view().active.clone());
        TokenRecord { id, role, subject: subject.into(), issued, expires, key, revoked: None }
    }

    fn sign(&self, record: &TokenRecord) -> Result<String, Failure> {
        let claims = Claims::of(record, &self.parts.node);
        let view = self.view();
        let key = view.keys.get(&record.key).ok_or_else(|| not_issued(&"its key is gone"))?;
        key.sign(&record.key, &claims).map_err(|cause| not_issued(&cause))
    }

    /// Drops tokens that are over from the register.
    fn forget_expired(&self, now: u64) -> Result<(), Failure> {
        let view = self.view();
        let key_holds = |id: &String| view.keys.get(id).is_some_and(|key| key.holds(now));
        let is_over = |token: &&TokenRecord| token.expires <= now || !key_holds(&token.key);
        let over: Vec<String> = view.issued.values().filter(is_over).map(|token| token.id.clone()).collect();
        drop(view);
        let batch = over.iter().fold(Batch::new(), |batch, id| batch.delete(TOKENS.name(), id.as_bytes()));
        if !batch.is_empty() {
            self.parts.store.apply(&batch)?;
            self.write(|view| over.iter().for_each(|id| drop(view.issued.remove(id))));
        }
        Ok(())
    }

    fn find(&self, id: &str) -> Result<TokenRecord, Failure> {
        let view = self.view();
        let mut found = view.issued.values().filter(|token| id.len() >= 4 && token.id.starts_with(id));
        match (found.next(), found.next()) {
            (Some(token), None) => Ok(token.clone()),
            _ => {
                let message = format!("no token has the id {:?}", id.chars().take(32).collect::<String>());
                Err(Failure::new(Code::new("TOKEN_UNKNOWN"), message, "see `tacit token list`."))
            }
        }
    }

    /// What is shown of a token: it ends with its key at the latest.
    fn info(&self, record: &TokenRecord) -> TokenInfo {
        let view = self.view();
        let key_end = view.keys.get(&record.key).map_or(record.issued, |key| key.ends().unwrap_or(u64::MAX));
        TokenInfo {
            id: record.id.clone(),
            role: record.role,
            subject: record.subject.clone(),
            issued: record.issued,
            expires: record.expires.min(key_end),
            key: record.key.clone(),
            revoked: record.revoked,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        // A panic under it leaves no half of a change in memory: the view is changed last.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> std::sync::RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        change(&mut self.view.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl View {
    /// What the register says of a token.
    fn record(&self, token: &str) -> Option<&TokenRecord> {
        self.issued.get(token).or_else(|| self.local.get(token))
    }

    /// When a token that holds ends, by itself or with its key: after `now`.
    fn end_of(&self, token: &str, now: u64) -> Option<u64> {
        let record = self.record(token).filter(|record| record.holds(now))?;
        let key = self.keys.get(&record.key).filter(|key| key.holds(now))?;
        Some(key.ends().map_or(record.expires, |end| end.min(record.expires)))
    }

    /// Makes a note of the journal true.
    fn take(&mut self, note: Note) {
        match note {
            Note::Revoked { token, at } => {
                if let Some(record) = self.issued.get_mut(&token) {
                    record.revoked.get_or_insert(at);
                }
            }
            Note::KeyEnds { key, at } => {
                if let Some(known) = self.keys.get_mut(&key) {
                    known.end_at(at);
                }
                if self.active == key {
                    self.active.clear();
                }
            }
        }
    }
}

/// The subject becomes the analyst's name in contracts, so it has the form of a name.
fn check_subject(request: &TokenRequest) -> Result<(), Failure> {
    let wrong = |why: &str| Failure::new(Code::new("USAGE_TOKEN"), format!("the subject: {why}"), "name another one.");
    name::check_organisation(&request.subject).map_err(|error| wrong(&error.to_string()))?;
    if request.role == TokenRole::Analyst && name::skeleton(&request.subject) == name::skeleton(OPERATOR) {
        return Err(wrong("`operator` is the operator's own name"));
    }
    Ok(())
}

/// How long a token is to hold. Operators' tokens hold a day at most (CHK-901); see `docs/decisions.md` for the others.
fn life(request: &TokenRequest) -> Result<u64, Failure> {
    let (most, usual) = match request.role {
        TokenRole::Operator => (OPERATOR_SECONDS, OPERATOR_SECONDS),
        TokenRole::Analyst | TokenRole::Auditor => (LONGEST_SECONDS, USUAL_SECONDS),
    };
    let asked = request.valid_seconds.unwrap_or(usual);
    if (1..=most).contains(&asked) {
        return Ok(asked);
    }
    let message = format!("a token of role {} holds 1 to {most} seconds, not {asked}", request.role.name());
    Err(Failure::new(Code::new("USAGE_TOKEN"), message, "ask for less."))
}

fn invalid(why: &str) -> Failure {
    let next = "use a token that holds: an operator's is the line in the node directory's api.token; others come from \
                `tacit token create`. It is sent as `authorization: Bearer TOKEN`.";
    Failure::new(Code::new("TOKEN_INVALID"), why, next)
}

fn not_issued(cause: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::new("TOKEN_ISSUE"), format!("no token: {cause}"), "restart the node.")
}

/// The failure of a call without a token.
pub(crate) fn missing() -> Failure {
    invalid("no bearer token")
}
