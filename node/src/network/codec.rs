//! Frames of the request-response protocols: a length, a kind, opaque bytes.
//!
//! *Wire*, both ways, little endian: `u32` length of what follows (1 to the protocol's cap) | `u8` kind | payload, then
//! the end of the stream. Requests are a greeting (0) or a request (1); responses are an answer (0) or a refusal (1),
//! whose payload is an error code.
//!
//! *Security*: the length is compared with the cap before anything is allocated, memory grows only with bytes that
//! arrived, and bytes after the frame are an error, so one stream carries one meaning.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use serde::{Deserialize, de::IntoDeserializer};
use tacit_protocol::Code;

/// The largest greeting in bytes (CHK-110).
pub const MAX_HELLO_BYTES: usize = 4 * 1024;
/// The largest request or answer on `/tacit/negotiate/1` in bytes (CHK-201).
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// The largest request or answer on `/tacit/pair/1` in bytes.
pub const MAX_PAIR_BYTES: usize = 4 * 1024;

/// What one side asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The greeting that opens a session between paired peers.
    Hello(Vec<u8>),
    /// A request of a layer above.
    Request(Vec<u8>),
    /// A frame that broke the protocol, and how. The swarm reports no error of a stream that is not read yet, so that
    /// this is how the task hears of it.
    Broken(String),
}

/// What the other side answers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The layer above answered.
    Bytes(Vec<u8>),
    /// The request was not handed to the layer above, or that had no answer.
    Refused(Code),
}

/// What peers say is for the layer above: only its size is shown.
impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hello(bytes) => write!(f, "Hello({} bytes)", bytes.len()),
            Self::Request(bytes) => write!(f, "Request({} bytes)", bytes.len()),
            Self::Broken(how) => write!(f, "Broken({how})"),
        }
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Refused(code) => write!(f, "Refused({code})"),
        }
    }
}

/// Reads and writes frames up to a cap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameCodec {
    max_payload_bytes: usize,
}

impl FrameCodec {
    pub(crate) const NEGOTIATE: Self = Self { max_payload_bytes: MAX_MESSAGE_BYTES };
    pub(crate) const PAIR: Self = Self { max_payload_bytes: MAX_PAIR_BYTES };
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Ask;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Ask>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(match read_frame(io, self.max_payload_bytes).await {
            Ok((0, hello)) if hello.len() <= MAX_HELLO_BYTES => Ask::Hello(hello),
            Ok((0, _)) => Ask::Broken("a greeting is over its limit".to_owned()),
            Ok((1, request)) => Ask::Request(request),
            Ok(_) => Ask::Broken("a request of an unknown kind".to_owned()),
            Err(error) => Ask::Broken(error.to_string()),
        })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read_frame(io, self.max_payload_bytes).await? {
            (0, bytes) => Ok(Answer::Bytes(bytes)),
            (1, code) => refusal_code(code).map(Answer::Refused),
            _ => Err(invalid("an answer of an unknown kind")),
        }
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, ask: Ask) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match ask {
            Ask::Hello(bytes) => write_frame(io, self.max_payload_bytes, 0, &bytes).await,
            Ask::Request(bytes) => write_frame(io, self.max_payload_bytes, 1, &bytes).await,
            Ask::Broken(_) => Err(invalid("what came broken is not sent on")),
        }
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match answer {
            Answer::Bytes(bytes) => write_frame(io, self.max_payload_bytes, 0, &bytes).await,
            Answer::Refused(code) => write_frame(io, self.max_payload_bytes, 1, code.as_str().as_bytes()).await,
        }
    }
}

/// Reads one frame: its kind and payload.
async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, max_payload_bytes: usize) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0_u8; 5];
    io.read_exact(&mut header).await?;
    let [a, b, c, d, kind] = header;
    let length = u32::from_le_bytes([a, b, c, d]);
    let payload = length.checked_sub(1).ok_or_else(|| invalid("an empty frame"))?;
    if usize::try_from(payload).map_or(true, |n| n > max_payload_bytes) {
        return Err(invalid("a frame is over its limit"));
    }
    let mut bytes = Vec::new();
    (&mut *io).take(u64::from(payload)).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 != u64::from(payload) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if io.read(&mut [0_u8; 1]).await? != 0 {
        return Err(invalid("bytes after the frame"));
    }
    Ok((kind, bytes))
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(
    io: &mut T,
    max_payload_bytes: usize,
    kind: u8,
    payload: &[u8],
) -> io::Result<()> {
    if payload.len() > max_payload_bytes {
        return Err(invalid("a frame of our own is over its limit"));
    }
    let length = u32::try_from(payload.len() + 1).map_err(|_| invalid("a frame of our own is over its limit"))?;
    let mut frame = Vec::with_capacity(payload.len() + 5);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.push(kind);
    frame.extend_from_slice(payload);
    io.write_all(&frame).await
}

/// Reads a refusal's code, which is shown to operators, so nothing but a well-formed code passes.
fn refusal_code(bytes: Vec<u8>) -> io::Result<Code> {
    let text = String::from_utf8(bytes).map_err(|_| invalid("a refusal without a code"))?;
    let code = IntoDeserializer::<serde::de::value::Error>::into_deserializer(text);
    match Code::deserialize(code) {
        Ok(code) if code.is_well_formed() => Ok(code),
        _ => Err(invalid("a refusal without a code")),
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<(u8, Vec<u8>)> {
        block_on(read_frame(&mut Cursor::new(bytes), 16))
    }

    #[test]
    fn reads_back_what_was_written() {
        let mut wire = Cursor::new(Vec::new());
        block_on(write_frame(&mut wire, 16, 1, b"terms")).expect("within the limit");
        assert_eq!(read(&wire.into_inner()).expect("one frame"), (1, b"terms".to_vec()));
    }

    #[test]
    fn refuses_a_length_over_the_cap_before_reading_on() {
        let error = read(&[0xff, 0xff, 0xff, 0xff, 1]).expect_err("4 GiB");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(read(&[18, 0, 0, 0, 1]).is_err());
        assert!(read(&[0, 0, 0, 0, 1]).is_err());
    }

    #[test]
    fn refuses_a_cut_frame_and_bytes_after_it() {
        assert_eq!(read(&[3, 0, 0, 0, 1, 7]).expect_err("cut").kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read(&[2, 0, 0, 0, 1, 7, 7]).expect_err("more").kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_refusal_carries_a_well_formed_code_only() {
        assert_eq!(refusal_code(b"PEER_RATE".to_vec()).expect("a code").as_str(), "PEER_RATE");
        for bad in [&b"peer rate"[..], b"", b"\xff", &[b'A'; 49]] {
            assert!(refusal_code(bad.to_vec()).is_err());
        }
    }
}
