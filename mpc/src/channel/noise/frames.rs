//! Sealing and opening of frames, each under a counter that is used once.

use std::ops::Range;
use std::sync::Arc;

use snow::StatelessTransportState;

use super::queue::End;

/// Bytes of a frame's length.
pub(super) const HEADER: usize = 2;

/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;

/// Bytes of a ciphertext at most.
pub(super) const MAX_CIPHERTEXT: usize = u16::MAX as usize;

/// Bytes of a frame's payload at most.
pub(super) const MAX_PAYLOAD: usize = MAX_CIPHERTEXT - TAG;

/// The two directions of a transport. Nothing else can reach its keys afterwards.
pub(super) fn directions(transport: StatelessTransportState, max_frames: u64) -> (Sealer, Opener) {
    let transport = Arc::new(transport);
    let counters = || Counters { next: 0, limit: max_frames };
    let sealer = Sealer { transport: Arc::clone(&transport), counters: counters() };
    (sealer, Opener { transport, counters: counters(), end: None })
}

/// The counters of one direction. What was handed out is never handed out again, whatever becomes of it.
struct Counters {
    next: u64,
    limit: u64,
}

impl Counters {
    /// The next counters, `most` of them or what the key may still serve.
    fn take(&mut self, most: usize) -> Range<u64> {
        let start = self.next;
        self.next = start.saturating_add(most as u64).min(self.limit);
        start..self.next
    }
}

/// The sending direction. It has no copy: two would seal under the same counters.
pub(super) struct Sealer {
    transport: Arc<StatelessTransportState>,
    counters: Counters,
}

impl Sealer {
    /// Seals a payload of at most [`MAX_PAYLOAD`] as the next frame, length first, into `frame`.
    pub(super) fn seal(&mut self, payload: &[u8], mut frame: Vec<u8>) -> Result<Vec<u8>, End> {
        let counter = self.counters.take(1).next().ok_or(End::WornOut)?;
        seal(&self.transport, counter, payload, &mut frame)?;
        Ok(frame)
    }
}

fn seal(transport: &StatelessTransportState, counter: u64, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), End> {
    // Only a payload above the limit fails.
    let too_long = End::Broken(std::io::ErrorKind::InvalidInput);
    let length = u16::try_from(payload.len() + TAG).map_err(|_| too_long)?;
    frame.resize(HEADER + usize::from(length), 0);
    frame[..HEADER].copy_from_slice(&length.to_le_bytes());
    transport.write_message(counter, payload, &mut frame[HEADER..]).map(|_| ()).map_err(|_| too_long)
}

/// The receiving direction.
pub(super) struct Opener {
    transport: Arc<StatelessTransportState>,
    counters: Counters,
    /// Why nothing more will be opened.
    end: Option<End>,
}

impl Opener {
    /// Why nothing more will be opened, if so.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    /// Opens the next ciphertext into `into`, which is as long as the ciphertext at least, and tells the length of its
    /// payload. CHK-403: the first that is not authentic and the next ends everything, as does the closing frame.
    pub(super) fn open(&mut self, ciphertext: &[u8], into: &mut [u8]) -> Result<usize, End> {
        let opened = match (self.end, self.counters.take(1).next()) {
            (Some(end), _) => Err(end),
            (None, None) => Err(End::WornOut),
            (None, Some(counter)) => match self.transport.read_message(counter, ciphertext, into) {
                Ok(0) => Err(End::Finished),
                Ok(length) => Ok(length),
                Err(_) => Err(End::Forged),
            },
        };
        self.end = opened.err();
        opened
    }
}

#[cfg(test)]
mod tests {
    use snow::Builder;

    use super::*;

    /// Two ends that share keys, with the limit of both.
    fn ends(max_frames: u64) -> [(Sealer, Opener); 2] {
        let suite = || Builder::new("Noise_NN_25519_AESGCM_SHA256".parse().expect("a suite"));
        let mut initiator = suite().build_initiator().expect("complete");
        let mut responder = suite().build_responder().expect("complete");
        let (mut wire, mut payload) = ([0; 256], [0; 256]);
        let length = initiator.write_message(&[], &mut wire).expect("first");
        responder.read_message(&wire[..length], &mut payload).expect("first");
        let length = responder.write_message(&[], &mut wire).expect("second");
        initiator.read_message(&wire[..length], &mut payload).expect("second");
        [initiator, responder]
            .map(|state| directions(state.into_stateless_transport_mode().expect("finished"), max_frames))
    }

    #[test]
    fn a_counter_is_handed_out_once_and_none_from_the_limit_on() {
        let mut counters = Counters { next: 0, limit: 5 };
        assert_eq!([counters.take(2), counters.take(2), counters.take(2), counters.take(1)], [0..2, 2..4, 4..5, 5..5]);
        let mut last = Counters { next: u64::MAX - 1, limit: u64::MAX };
        assert_eq!([last.take(usize::MAX), last.take(1)], [u64::MAX - 1..u64::MAX, u64::MAX..u64::MAX]);
    }

    // CHK-403
    #[test]
    fn a_payload_that_cannot_be_sealed_uses_its_counter_up() {
        let [(mut sealer, _), (_, mut opener)] = ends(10);
        let too_long = End::Broken(std::io::ErrorKind::InvalidInput);
        assert_eq!(sealer.seal(&[1; MAX_PAYLOAD + 1], Vec::new()), Err(too_long));
        assert_eq!(sealer.seal(&[1; MAX_CIPHERTEXT + 1], Vec::new()), Err(too_long));
        let frame = sealer.seal(b"abc", Vec::new()).expect("short enough");
        let mut opened = [0; 19];
        for _ in 0..2 {
            opener.counters.take(1);
        }
        assert_eq!(opener.open(&frame[HEADER..], &mut opened), Ok(3));
        assert_eq!(&opened[..3], b"abc");
    }

    // CHK-403
    #[test]
    fn a_worn_out_key_neither_seals_nor_opens() {
        let [(mut sealer, _), (_, mut opener)] = ends(2);
        for _ in 0..2 {
            let frame = sealer.seal(&[1], Vec::new()).expect("within the limit");
            assert_eq!(opener.open(&frame[HEADER..], &mut [0; 17]), Ok(1));
        }
        for _ in 0..2 {
            assert_eq!(sealer.seal(&[1], Vec::new()), Err(End::WornOut));
        }
        assert_eq!(opener.open(&[0; 17], &mut [0; 17]), Err(End::WornOut));
        assert_eq!(opener.end(), Some(End::WornOut));
    }

    // CHK-403
    #[test]
    fn nothing_opens_after_a_frame_that_did_not_or_that_closed() {
        let [(mut sealer, _), (_, mut opener)] = ends(10);
        let first = sealer.seal(&[1], Vec::new()).expect("within the limit");
        let second = sealer.seal(&[2], Vec::new()).expect("within the limit");
        let mut into = [0; 17];
        assert_eq!(opener.open(&second[HEADER..], &mut into), Err(End::Forged));
        assert_ne!(into[0], 2, "what is not authentic is not handed out");
        for frame in [&first, &second] {
            assert_eq!(opener.open(&frame[HEADER..], &mut into), Err(End::Forged));
        }

        let [(mut sealer, _), (_, mut opener)] = ends(10);
        let frames = [&[][..], &[1]].map(|payload| sealer.seal(payload, Vec::new()).expect("within the limit"));
        for frame in &frames {
            assert_eq!(opener.open(&frame[HEADER..], &mut into), Err(End::Finished));
        }
    }
}
