//! Event streams in gzip: the same text as without, at once, from blocks that all of them share.

use sockeye_http1::chunked::{Decoder, Event as Chunk, Limits as ChunkLimits};
use sockeye_server::{CloseCode, Event, SharedEvent, SharedEvents, StreamKey};
use sockeye_simnet::{Peer, Random};

use crate::simulation::gunzip::Gunzip;
use crate::simulation::stage::Stage;

const ROOM: usize = 100_000_000;

/// A client of an event stream that decodes it.
struct Client {
    peer: Peer,
    stream: StreamKey,
    chunks: Option<Decoder>,
    gunzip: Option<Gunzip>,
    text: Vec<u8>,
    /// Bytes of the body, without those of chunks.
    body_bytes: usize,
    ended: bool,
}

impl Client {
    fn open(stage: &mut Stage, version: &str, accept: &str) -> Self {
        let request =
            format!("GET /events HTTP/{version}\r\nHost: a\r\nAccept-Encoding: {accept}\r\n\r\n");
        let (mut peer, stream) = stage.open(&request);
        let wire = peer.read(usize::MAX).expect("it is open");
        let end = wire.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8(wire[..end].to_vec()).expect("text");
        let is_coded = head.contains("\r\nContent-Encoding: gzip\r\n");
        assert_eq!(is_coded, accept == "gzip", "{head}");
        let chunks = (version == "1.1").then(|| Decoder::new(ChunkLimits::DEFAULT));
        let gunzip = is_coded.then(Gunzip::new);
        let (text, body_bytes, ended) = (Vec::new(), 0, false);
        let mut client = Self { peer, stream, chunks, gunzip, text, body_bytes, ended };
        client.take(&wire[end..]);
        assert_eq!(client.text, b":\n\n", "a comment comes with the head");
        client
    }

    /// Takes in everything that has come.
    fn read(&mut self) {
        match self.peer.read(usize::MAX) {
            Some(bytes) => self.take(&bytes),
            None => self.ended = true,
        }
    }

    fn take(&mut self, mut wire: &[u8]) {
        let mut body = Vec::new();
        match &mut self.chunks {
            Some(chunks) => {
                while let Some(chunk) = chunks.next(&mut wire).expect("well-formed chunks") {
                    match chunk {
                        Chunk::Data(data) => body.extend_from_slice(data),
                        Chunk::End => self.ended = true,
                    }
                }
            }
            None => body.extend_from_slice(wire),
        }
        self.body_bytes += body.len();
        match &mut self.gunzip {
            Some(gunzip) => self.text.extend(gunzip.push(&body)),
            None => self.text.extend(body),
        }
    }
}

/// Words, of which many come again.
fn text(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.skewed(500) {
        text += ["alpha ", "beta ", "gamma ", "delta ", "epsilon "][random.below(5)];
    }
    text
}

/// [gzip:flushed] [gzip:trailer] [gzip:own-text] [server:shared-same]
#[test]
fn a_stream_in_gzip_carries_the_same_text() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut stage = Stage::new(ROOM, |_| {});
        let mut clients: Vec<_> =
            [("1.1", "gzip"), ("1.1", "gzip"), ("1.0", "gzip"), ("1.1", "br")]
                .map(|(version, accept)| Client::open(&mut stage, version, accept))
                .into();
        let mut expected = vec![b":\n\n".to_vec(); clients.len()];
        for _ in 0..60 {
            let texts: Vec<_> = (0..=random.skewed(4)).map(|_| text(&mut random)).collect();
            let kind = random.below(6);
            let only = random.one_in(2).then(|| random.below(clients.len()));
            let to: Vec<_> =
                (0..clients.len()).filter(|at| only.is_none_or(|it| it == *at)).collect();
            for &at in &to {
                for text in &texts {
                    match kind {
                        0 => expected[at].extend_from_slice(b":\n\n"),
                        _ => Event::message(text).encode(&mut expected[at]),
                    }
                }
            }
            let keys: Vec<_> = to.iter().map(|at| clients[*at].stream).collect();
            stage.act(move |context| {
                let events = texts.iter().map(|text| match kind {
                    1 => SharedEvent::confidential(&Event::message(text)),
                    _ => SharedEvent::new(&Event::message(text)),
                });
                let events: SharedEvents = events.collect();
                for key in keys {
                    if kind == 2 {
                        context.send_all_shared_events_below(key, &events, ROOM).expect("room");
                        continue;
                    }
                    for (event, text) in events.as_slice().iter().zip(&texts) {
                        match kind {
                            0 => context.send_comment(key),
                            3 => context.send_event(key, &Event::message(text)),
                            _ => context.send_shared_event(key, event),
                        }
                        .expect("it is open");
                    }
                }
            });
            stage.turns();
            for (client, expected) in clients.iter_mut().zip(&expected) {
                client.read();
                assert!(client.text == *expected, "nothing is held back");
            }
        }
        let keys: Vec<_> = clients.iter().map(|client| client.stream).collect();
        stage.act(move |context| {
            keys.iter().for_each(|key| context.close(*key, CloseCode::NORMAL, ""));
        });
        stage.turns();
        for client in &mut clients {
            client.read();
            let is_right = client.gunzip.as_ref().is_none_or(|gunzip| gunzip.ended);
            assert!(is_right && (client.ended || client.chunks.is_none()), "the end is told");
        }
    }
}

/// [gzip:once]
#[test]
fn an_event_is_compressed_once_for_all() {
    let mut stage = Stage::new(ROOM, |_| {});
    let mut clients: Vec<_> = (0..200).map(|_| Client::open(&mut stage, "1.1", "gzip")).collect();
    let keys: Vec<_> = clients.iter().map(|client| client.stream).collect();
    let data = "again and again, ".repeat(100);
    stage.act(move |context| {
        let before = context.units_spent();
        let event = SharedEvent::new(&Event::message(&data));
        for key in keys {
            context.send_shared_event(key, &event).expect("it is open");
        }
        let spent = context.units_spent() - before;
        assert!((100..200).contains(&spent), "{spent} units for 1.7 kB");
    });
    stage.turns();
    for client in &mut clients {
        let before = client.body_bytes;
        client.read();
        assert_eq!(client.text.len(), 3 + 1_700 + 8);
        assert!(client.body_bytes - before < 80, "{} bytes", client.body_bytes - before);
    }
}

/// No length depends on what a secret and another's text have in common. [gzip:own-text]
/// [gzip:confidential]
#[test]
fn a_secret_is_not_compressed() {
    let secret = "token-".to_owned() + &"3141592653589793".repeat(20);
    for (is_shared, guess) in [(true, "3141592653589793"), (true, "2718281828459045"), (false, "")]
    {
        let mut stage = Stage::new(ROOM, |_| {});
        let mut client = Client::open(&mut stage, "1.1", "gzip");
        let (key, before, data) = (client.stream, client.body_bytes, format!("{secret} {guess}"));
        let plain = "data: \n\n".len() + data.len();
        stage.act(move |context| match is_shared {
            true => {
                let event = SharedEvent::confidential(&Event::message(&data));
                context.send_shared_event(key, &event).expect("it is open");
            }
            false => context.send_event(key, &Event::message(&data)).expect("it is open"),
        });
        stage.turns();
        client.read();
        assert_eq!(client.body_bytes - before, plain + 10, "stored");
    }
}
