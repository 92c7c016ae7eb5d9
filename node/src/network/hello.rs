//! The greeting of a node: who it is, what it speaks, what time it has, where its log stands.

use std::sync::Arc;

use tacit_protocol::{
    Code, PeerId,
    canonical::Nonce,
    codec,
    messages::{Hello, LogHead, OLDEST_VERSION, PROTOCOL_VERSION, PeerText, Request},
    privacy::BudgetHead,
};

use super::{Greeter, Relaying};
use crate::clock::Clock;

/// What a greeting is compared with.
pub trait HelloBook: Send + Sync + 'static {
    /// The organisation that is paired under a key; `None` if there is none, or it is revoked.
    fn organisation_of(&self, peer: &PeerId) -> Option<String>;

    /// Where this node's own log stands, as a peer is told.
    fn own_head(&self, to: &PeerId) -> LogHead;

    /// Judges where the peer's log stands (CHK-113), and may remember it.
    ///
    /// # Errors
    /// `LOG_FORK`.
    fn check_head(&self, peer: &PeerId, head: &LogHead) -> Result<(), Code>;

    /// Judges the epoch of the peer's process (CHK-931): one that another has followed runs no more, or two processes run
    /// under one key.
    ///
    /// # Errors
    /// `LOG_FORK`; `PEER_RATE` where it may be the last word of a process that has just ended.
    fn check_epoch(&self, _peer: &PeerId, _hello: &Hello) -> Result<(), Code> {
        Ok(())
    }

    /// How far this node has seen the peer's budget ledger.
    fn budget_of(&self, _peer: &PeerId) -> Option<BudgetHead> {
        None
    }

    /// Takes note of a paired peer's greeting, of how far it has seen this node's budget ledger (CHK-931), and of why it was
    /// refused, if it was.
    fn heard(&self, _from: &PeerId, _hello: &Hello, _refused: Option<&Code>) {}

    /// Takes note of a peer's answer to a greeting of this node: accepted, or refused with a code.
    fn answered(&self, _by: &PeerId, _refused: Option<&Code>) {}
}

/// Greets as [`Hello`] says, and checks what comes (CHK-111 to CHK-113).
pub struct NodeGreeter {
    organisation: String,
    epoch: Nonce,
    clock: Arc<dyn Clock>,
    book: Arc<dyn HelloBook>,
    /// Organisations that relay to this node, and that it relays for.
    relays: (Vec<String>, Vec<String>),
}

impl NodeGreeter {
    /// A greeter for the node of an organisation, in a process that drew `epoch` when it started.
    pub fn new(organisation: String, epoch: Nonce, clock: Arc<dyn Clock>, book: Arc<dyn HelloBook>) -> Self {
        Self { organisation, epoch, clock, book, relays: Default::default() }
    }

    /// The same, with the names of the organisations that relay to this node, and of those that it relays for.
    #[must_use]
    pub fn with_relays(self, via: Vec<String>, serve: Vec<String>) -> Self {
        Self { relays: (via, serve), ..self }
    }
}

impl NodeGreeter {
    fn judge(&self, from: &PeerId, paired_as: &str, hello: &Hello) -> Result<(), Code> {
        if paired_as != hello.organisation {
            return Err(Code::new("HELLO_IDENTITY"));
        }
        // CHK-112.
        hello.check(self.clock.unix_seconds()).map_err(|error| error.code())?;
        self.book.check_epoch(from, hello)?;
        self.book.check_head(from, &hello.log)
    }
}

impl Greeter for NodeGreeter {
    fn greeting(&self, to: PeerId) -> Vec<u8> {
        let hello = Hello {
            oldest: OLDEST_VERSION,
            newest: PROTOCOL_VERSION,
            build: PeerText::new(concat!("tacit ", env!("CARGO_PKG_VERSION"))),
            organisation: self.organisation.clone(),
            epoch: self.epoch,
            now: self.clock.unix_seconds(),
            log: self.book.own_head(&to),
            budget: self.book.budget_of(&to),
        };
        codec::encode(&Request::Hello(hello)).expect("a greeting of our own is far below its limit")
    }

    fn check(&self, from: PeerId, greeting: &[u8]) -> Result<Nonce, Code> {
        let Ok(Request::Hello(hello)) = codec::decode(greeting) else {
            return Err(Code::new("HELLO_REQUIRED"));
        };
        // CHK-111: the connection has proven the key; it is paired, and as this organisation.
        let paired_as = self.book.organisation_of(&from).ok_or(Code::new("PEER_REVOKED"))?;
        let judged = self.judge(&from, &paired_as, &hello);
        self.book.heard(&from, &hello, judged.as_ref().err());
        judged.map(|()| hello.epoch)
    }

    fn answered(&self, by: PeerId, refused: Option<&Code>) {
        self.book.answered(&by, refused);
    }

    fn relaying(&self, peer: PeerId) -> Relaying {
        let (via, serve) = &self.relays;
        let Some(name) = self.book.organisation_of(&peer) else { return Relaying::default() };
        Relaying { via: via.contains(&name), serve: serve.contains(&name) }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use tacit_protocol::{Digest, Identity};

    use super::*;
    use crate::clock::ManualClock;

    const HEAD: LogHead = LogHead { sequence: 3, digest: Digest::from_bytes([3; 32]) };

    struct Book;

    impl HelloBook for Book {
        fn organisation_of(&self, peer: &PeerId) -> Option<String> {
            (*peer == maison()).then(|| "Maison".to_owned())
        }

        fn own_head(&self, _: &PeerId) -> LogHead {
            HEAD
        }

        fn check_head(&self, _: &PeerId, head: &LogHead) -> Result<(), Code> {
            if *head == HEAD { Ok(()) } else { Err(Code::new("LOG_FORK")) }
        }
    }

    fn maison() -> PeerId {
        Identity::generate(&mut ChaCha20Rng::seed_from_u64(1)).peer()
    }

    const EPOCH: Nonce = Nonce::from_bytes([5; 16]);

    fn greeter(organisation: &str, at: u64) -> NodeGreeter {
        NodeGreeter::new(organisation.to_owned(), EPOCH, Arc::new(ManualClock::at(at * 1_000)), Arc::new(Book))
    }

    fn judged(hello: &Hello) -> Result<Nonce, String> {
        let bytes = codec::encode(&Request::Hello(hello.clone())).expect("small");
        greeter("Banque", 1_000).check(maison(), &bytes).map_err(|code| code.to_string())
    }

    fn hello() -> Hello {
        let Ok(Request::Hello(hello)) = codec::decode(&greeter("Maison", 1_060).greeting(maison())) else {
            panic!("a greeting")
        };
        hello
    }

    #[test]
    fn accepts_the_greeting_of_the_paired_organisation() {
        assert_eq!(judged(&hello()), Ok(EPOCH));
    }

    #[test]
    fn chk_111_refuses_another_name_and_another_key() {
        assert_eq!(judged(&Hello { organisation: "Maison 2".into(), ..hello() }), Err("HELLO_IDENTITY".into()));
        let stranger = Identity::generate(&mut ChaCha20Rng::seed_from_u64(2)).peer();
        let bytes = codec::encode(&Request::Hello(hello())).expect("small");
        assert_eq!(greeter("Banque", 1_000).check(stranger, &bytes), Err(Code::new("PEER_REVOKED")));
    }

    #[test]
    fn chk_112_refuses_unknown_versions_and_wrong_clocks() {
        let newer = Hello { oldest: PROTOCOL_VERSION + 1, newest: PROTOCOL_VERSION + 2, ..hello() };
        assert_eq!(judged(&newer), Err("HELLO_VERSION".into()));
        let much_newer = Hello { oldest: PROTOCOL_VERSION + 2, newest: PROTOCOL_VERSION + 2, ..hello() };
        assert_eq!(judged(&much_newer), Err("HELLO_VERSION".into()));
        let one_older = Hello { oldest: PROTOCOL_VERSION - 1, newest: PROTOCOL_VERSION - 1, ..hello() };
        assert_eq!(judged(&one_older), Ok(EPOCH));
        assert_eq!(judged(&Hello { now: 1_121, ..hello() }), Err("HELLO_CLOCK".into()));
        assert_eq!(judged(&Hello { now: 1_120, ..hello() }), Ok(EPOCH));
    }

    #[test]
    fn relays_are_the_paired_organisations_that_the_operator_named() {
        let greeter = greeter("Banque", 1_000).with_relays(vec!["Maison".into()], vec!["Autre".into()]);
        assert_eq!(greeter.relaying(maison()), Relaying { via: true, serve: false });
        let stranger = Identity::generate(&mut ChaCha20Rng::seed_from_u64(2)).peer();
        assert_eq!(greeter.relaying(stranger), Relaying::default());
    }

    #[test]
    fn chk_113_asks_the_book_about_the_log() {
        let log = LogHead { sequence: 2, digest: HEAD.digest };
        assert_eq!(judged(&Hello { log, ..hello() }), Err("LOG_FORK".into()));
    }

    #[test]
    fn chk_110_anything_but_a_greeting_is_refused() {
        for bytes in [&b""[..], b"\xff\xff", &codec::encode(&Request::Catalogue).expect("small")] {
            assert_eq!(greeter("Banque", 1_000).check(maison(), bytes), Err(Code::new("HELLO_REQUIRED")));
        }
    }
}
