//! The client: it says a poem twice, verse by verse, and hears every verse again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;

use sockeye_deflate::{ClientOffer, Params};
use sockeye_handshake::{Challenge, ClientRequest, Extensions};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, ResponseHead};
use sockeye_websocket::{CloseCode, CloseFrame, MaskKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::end::End;
use crate::{Failure, PATIENCE, SharedEngine};

/// The result of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) text_bytes: usize,
    /// Bytes from the server, frames and all.
    pub(crate) wire_bytes: usize,
}

/// Long enough to be worth compressing; shorter messages are sent as they are.
fn verse(client: usize, n: usize) -> String {
    let line = format!("Salmon {client} of {n} leaps the fall and falls, and leaps again. ");
    line.repeat(6)
}

pub(crate) async fn converse(
    server: SocketAddr,
    n: usize,
    engine: SharedEngine,
) -> Result<Tally, Failure> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (params, mut received) = timeout(PATIENCE, open(&mut stream, server)).await??;
    let params = params.ok_or("the server should agree to compress")?;
    let mut end = End::client(Some(params), engine, Box::new(random_mask));
    let (mut tally, mut heard) = (Tally::default(), Vec::new());

    for text in [verse(n, 1), verse(n, 2), verse(n, 1), verse(n, 2)] {
        end.say(&text)?;
        tally.text_bytes += text.len();
        while heard.is_empty() {
            timeout(PATIENCE, stream.write_all(&end.out)).await??;
            end.out.clear();
            if timeout(PATIENCE, stream.read_buf(&mut received)).await?? == 0 {
                return Err("the server left".into());
            }
            tally.wire_bytes += received.len();
            listen(&mut end, &mut received, &mut heard);
        }
        assert_eq!(heard, [text]);
        heard.clear();
    }

    end.close(CloseFrame::new(CloseCode::NORMAL, "")?)?;
    timeout(PATIENCE, stream.write_all(&end.out)).await??;
    // The server answers and ends the stream; a client waits for that.
    timeout(PATIENCE, stream.read_to_end(&mut received)).await??;
    listen(&mut end, &mut received, &mut heard);
    let closed = end.receive_eof();
    if closed.clean { Ok(tally) } else { Err(format!("it ended badly: {closed:?}").into()) }
}

/// Uses `received` up. All of it: behind a text there may be half of another, or a ping.
fn listen(end: &mut End, received: &mut Vec<u8>, heard: &mut Vec<String>) {
    let mut input = &mut received[..];
    while let Some(text) = end.hear(&mut input) {
        heard.push(text);
    }
    received.clear();
}

/// Asks for a WebSocket connection that compresses. Returns what was agreed on, and what came
/// behind the answer.
async fn open(
    stream: &mut TcpStream,
    server: SocketAddr,
) -> Result<(Option<Params>, Vec<u8>), Failure> {
    let challenge = Challenge::new(random_nonce());
    let offer = ClientOffer::default();
    let extensions = Extensions::parse([offer.to_string().as_bytes()])?;
    let host = server.to_string();
    let request = ClientRequest { extensions: &extensions, ..ClientRequest::new(&host, "/echo") };
    let mut out = Vec::new();
    challenge.write_request(&request, &mut out)?;
    stream.write_all(&out).await?;

    let (mut head_end, mut received) = (HeadEnd::for_response(), Vec::new());
    let head_len = loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err("the server left inside its answer".into());
        }
        if let Some(len) = head_end.find(&received, &Limits::DEFAULT)? {
            break len;
        }
    };
    let early = received.split_off(head_len);
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(&received, &mut storage, &Limits::DEFAULT)?;
    let accepted = challenge.verify(&head, &request)?;
    Ok((agreed(&offer, &accepted.extensions)?, early))
}

/// The server's answer to our one offer.
fn agreed(offer: &ClientOffer, accepted: &Extensions) -> Result<Option<Params>, Failure> {
    let mut accepted = accepted.iter();
    match (accepted.next(), accepted.next()) {
        (None, _) => Ok(None),
        (Some(answer), None) => Ok(Some(offer.accept_response(answer.params())?)),
        (Some(_), Some(_)) => Err("the server compresses twice".into()),
    }
}

/// Numbers that nobody else can guess: the standard library seeds its hash maps from the system's
/// entropy. A program of your own would rather ask the crate `getrandom`.
fn random() -> [u8; 8] {
    RandomState::new().build_hasher().finish().to_ne_bytes()
}

fn random_nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce.as_chunks_mut().0.fill_with(random);
    nonce
}

fn random_mask() -> MaskKey {
    let [a, b, c, d, ..] = random();
    MaskKey::new([a, b, c, d])
}
