//! What one caller may take of the node (CHK-904): calls at a time and a second, streams of events, and what is said of
//! those who fail to sign in.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tacit_protocol::api::TokenRole;
use tacit_protocol::{Code, Failure};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Shared;
use super::answer::ApiFailure;
use crate::network::Bucket;
use crate::tokens::Caller;

/// Calls that are answered at a time. A call that waits for a job counts; a stream of events does not once it runs.
const CALLS_AT_A_TIME: usize = 256;
/// Streams of events that are open at a time. Each holds a connection and a place in the list, no copies.
const STREAMS: usize = 32;
/// Those of them that are kept for operators.
const STREAMS_OF_OPERATORS: usize = 8;
/// Streams of one analyst, by however many tokens.
const STREAMS_OF_AN_ANALYST: usize = 4;
/// Streams of anyone else of one name.
const STREAMS_OF_ANOTHER: usize = 16;
/// How many times as often as one token one address may call: those behind one gateway, or on this machine, share it.
const TOKENS_OF_AN_ADDRESS: u32 = 4;
/// Callers that are told apart. The others share one pace.
const MOST_PACES: usize = 4_096;
/// How often it is logged that callers failed to sign in.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The limits of one API.
pub(super) struct Limits {
    calls: Semaphore,
    addresses: Mutex<Paces<IpAddr>>,
    tokens: Mutex<Paces<String>>,
    streams: Arc<Mutex<Streams>>,
    failed: Failed,
}

impl Limits {
    /// `per_second`: the calls of one token, on average; twice as many at once.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            calls: Semaphore::new(CALLS_AT_A_TIME),
            addresses: Mutex::new(Paces::new(per_second.saturating_mul(TOKENS_OF_AN_ADDRESS))),
            tokens: Mutex::new(Paces::new(per_second)),
            streams: Arc::default(),
            failed: Failed::new(),
        }
    }

    /// Counts a call of a token.
    ///
    /// # Errors
    /// `API_RATE`.
    pub(super) fn call_of_token(&self, token: &str) -> Result<(), Failure> {
        let in_pace = locked(&self.tokens).take(&token.to_owned(), Instant::now());
        in_pace.then_some(()).ok_or_else(|| too_fast("this token"))
    }

    fn call_of_address(&self, address: IpAddr) -> Result<(), Failure> {
        let in_pace = locked(&self.addresses).take(&network_of(address), Instant::now());
        in_pace.then_some(()).ok_or_else(|| too_fast("this address"))
    }

    /// A place for a stream of events of a caller, until it is dropped.
    ///
    /// # Errors
    /// `API_BUSY`.
    pub(super) fn stream(&self, caller: &Caller) -> Result<Stream, Failure> {
        let busy = |message: String| {
            Failure::new(Code::new("API_BUSY"), message, "end one of them, or ask for the jobs instead.")
        };
        let bearer = (caller.role, caller.subject.clone());
        let most = match caller.role {
            TokenRole::Analyst => STREAMS_OF_AN_ANALYST,
            TokenRole::Operator | TokenRole::Auditor => STREAMS_OF_ANOTHER,
        };
        let mut streams = locked(&self.streams);
        let own = streams.get(&bearer).copied().unwrap_or(0);
        if own >= most {
            return Err(busy(format!("{} follows the events {most} times", caller.subject)));
        }
        let (of_operators, others) =
            streams.iter().fold((0, 0), |(of_operators, others), ((role, _), open)| match role {
                TokenRole::Operator => (of_operators + open, others),
                TokenRole::Analyst | TokenRole::Auditor => (of_operators, others + open),
            });
        let is_kept = caller.role != TokenRole::Operator && others >= STREAMS - STREAMS_OF_OPERATORS;
        if is_kept || of_operators + others >= STREAMS {
            return Err(busy(format!("{} callers follow the events", of_operators + others)));
        }
        streams.insert(bearer.clone(), own + 1);
        Ok(Stream { bearer, streams: self.streams.clone() })
    }

    /// Counts a call without a good token; says how many there were, once a minute at most.
    pub(super) fn failed_sign_in(&self, from: Option<SocketAddr>) {
        if let Some(count) = self.failed.count(Instant::now()) {
            let from = from.map_or_else(|| "unknown".to_owned(), |from| from.ip().to_string());
            tracing::warn!(
                count,
                code = "TOKEN_INVALID",
                "calls of the API were not admitted; the last came from {from}"
            );
        }
    }
}

/// How many streams of events each bearer has open.
type Streams = HashMap<Bearer, usize>;
type Bearer = (TokenRole, String);

/// A place among the streams of events.
pub(super) struct Stream {
    bearer: Bearer,
    streams: Arc<Mutex<Streams>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut streams = locked(&self.streams);
        if let Some(open) = streams.get_mut(&self.bearer) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.bearer);
            }
        }
    }
}

/// How often each of some callers may call.
struct Paces<K> {
    per_second: u32,
    paces: HashMap<K, Bucket>,
    /// The pace that those share for whom there is no place.
    others: Bucket,
}

impl<K: Clone + Eq + Hash> Paces<K> {
    fn new(per_second: u32) -> Self {
        let others = Bucket::new(per_second, per_second.saturating_mul(2), Instant::now());
        Self { per_second, paces: HashMap::new(), others }
    }

    fn take(&mut self, key: &K, now: Instant) -> bool {
        if let Some(bucket) = self.paces.get_mut(key) {
            return bucket.take(now);
        }
        if self.paces.len() >= MOST_PACES {
            // Whoever has been silent long enough starts as new ones do.
            self.paces.retain(|_, bucket| !bucket.is_full(now));
        }
        if self.paces.len() >= MOST_PACES {
            return self.others.take(now);
        }
        let mut bucket = Bucket::new(self.per_second, self.per_second.saturating_mul(2), now);
        let allowed = bucket.take(now);
        self.paces.insert(key.clone(), bucket);
        allowed
    }
}

/// Calls that were not admitted since it was last said.
struct Failed {
    count: AtomicU64,
    said: Mutex<Option<Instant>>,
}

impl Failed {
    fn new() -> Self {
        Self { count: AtomicU64::new(0), said: Mutex::new(None) }
    }

    /// Counts one; how many it is time to tell of.
    fn count(&self, now: Instant) -> Option<u64> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut said = locked(&self.said);
        if said.is_some_and(|said| now.saturating_duration_since(said) < LOG_EVERY) {
            return None;
        }
        *said = Some(now);
        Some(self.count.swap(0, Ordering::Relaxed))
    }
}

/// One caller's address: of IPv6 the network of 64 bits, in which a host has as many addresses as it likes.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & (u128::MAX << 64)).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}

fn too_fast(who: &str) -> Failure {
    let next = "wait a second and ask less often; `/v1/events` tells of changes without asking. The operator sets \
                `api_calls_per_second` in node.toml.";
    Failure::new(Code::new("API_RATE"), format!("{who} calls more often than this node answers"), next)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counts only: a panic under the lock leaves none that matter.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a call through that its address may make now and that there is room for.
pub(super) async fn require_room(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let limits = &shared.limits;
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip());
    if let Err(failure) = from.map_or(Ok(()), |from| limits.call_of_address(from)) {
        return ApiFailure::from(failure).into_response();
    }
    match limits.calls.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => {
            let message = format!("the node answers {CALLS_AT_A_TIME} calls at the moment");
            ApiFailure::from(Failure::new(Code::new("API_BUSY"), message, "ask again in a second.")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chk_904_each_token_and_address_has_its_own_pace() {
        let limits = Limits::new(10);
        let of = |token: &str, calls: usize| (0..calls).filter(|_| limits.call_of_token(token).is_ok()).count();
        // Less than the burst passes whatever time it takes; much more does not.
        assert_eq!(of("a", 20), 20);
        assert!(of("a", 1_000) < 500);
        assert_eq!(of("b", 20), 20);
        let refused = (0..1_000).find_map(|_| limits.call_of_token("a").err()).expect("too fast");
        assert_eq!(refused.code.as_str(), "API_RATE");
        let address = |text: &str| limits.call_of_address(text.parse().expect("an address"));
        assert!((0..1_000).filter(|_| address("203.0.113.7").is_ok()).count() < 500);
        assert!(address("203.0.113.8").is_ok());
    }

    #[test]
    fn chk_904_addresses_of_one_network_share_a_pace_and_there_are_not_too_many() {
        let parse = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(network_of(parse("2001:db8::1")), network_of(parse("2001:db8::ffff:1")));
        assert_ne!(network_of(parse("2001:db8::1")), network_of(parse("2001:db8:0:1::1")));
        assert_eq!(network_of(parse("::ffff:192.0.2.1")), parse("192.0.2.1"));
        let start = Instant::now();
        let mut paces = Paces::new(1);
        (0..MOST_PACES).for_each(|caller| assert!(paces.take(&caller, start)));
        // There is no place for more: they share one pace, until others have been silent.
        let strangers = (0..100).filter(|stranger| paces.take(&(MOST_PACES + stranger), start)).count();
        assert_eq!((strangers, paces.paces.len()), (2, MOST_PACES));
        assert!(paces.take(&usize::MAX, start + Duration::from_secs(10)));
        assert_eq!(paces.paces.len(), 1);
    }

    /// Streams of a bearer, each by a token of its own, until there is no place for one more.
    fn fill(limits: &Limits, role: TokenRole, subject: &str) -> Vec<Stream> {
        let caller = |token: usize| Caller { token: token.to_string(), role, subject: subject.into(), expires: 1 };
        let held: Vec<Stream> = (0..).map_while(|token| limits.stream(&caller(token)).ok()).collect();
        let refused = limits.stream(&caller(0)).err().expect("no more");
        assert_eq!(refused.code.as_str(), "API_BUSY");
        held
    }

    #[test]
    fn chk_904_streams_are_bounded_for_each_bearer_and_gotten_back() {
        let limits = Limits::new(10);
        let ada = fill(&limits, TokenRole::Analyst, "ada");
        assert_eq!(ada.len(), STREAMS_OF_AN_ANALYST);
        // The same name in another role is another bearer.
        assert_eq!(fill(&limits, TokenRole::Auditor, "ada").len(), STREAMS_OF_ANOTHER);
        assert_eq!(fill(&limits, TokenRole::Operator, "operator").len(), STREAMS_OF_ANOTHER);
        drop(ada);
        assert!(locked(&limits.streams).is_empty());
    }

    #[test]
    fn chk_904_analysts_and_auditors_leave_places_for_operators() {
        let limits = Limits::new(10);
        let held: Vec<Stream> =
            ('a'..='z').flat_map(|name| fill(&limits, TokenRole::Analyst, &name.to_string())).collect();
        assert_eq!(held.len(), STREAMS - STREAMS_OF_OPERATORS);
        assert!(fill(&limits, TokenRole::Auditor, "eve").is_empty());
        assert_eq!(fill(&limits, TokenRole::Operator, "operator").len(), STREAMS_OF_OPERATORS);
    }

    #[test]
    fn failures_to_sign_in_are_told_once_a_minute() {
        let (failed, start) = (Failed::new(), Instant::now());
        assert_eq!(failed.count(start), Some(1));
        assert!((0..500).all(|_| failed.count(start + LOG_EVERY / 2).is_none()));
        assert_eq!(failed.count(start + LOG_EVERY), Some(501));
    }
}
