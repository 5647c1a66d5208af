//! What is sent to many at once is what each would have got by itself.

use sockeye_deflate::{ClientOffer, Engine, EngineConfig, Session};
use sockeye_frame::MaskKey;
use sockeye_server::{Event, Message, SendError, SharedEvent, SharedMessage, StreamKey};
use sockeye_simnet::{Peer, Random};
use sockeye_sse::EventId;
use sockeye_websocket::{
    Assembler, Compression, Config, Connection, Event as Received, Limits, MessageCodec, Role,
};

use crate::simulation::stage::{Stage, get, read, upgrade};

const ROOM: usize = 100_000_000;

/// A WebSocket client that takes in every message.
struct Client {
    peer: Peer,
    protocol: Connection,
    assembler: Assembler,
    session: Option<Session>,
    engine: Engine,
    messages: Vec<Vec<u8>>,
    /// Messages that came compressed.
    compressed: usize,
}

impl Client {
    fn open(stage: &mut Stage, offer: &str) -> (Self, StreamKey) {
        let header = match offer {
            "" => String::new(),
            offer => format!("Sec-WebSocket-Extensions: {offer}\r\n"),
        };
        let (mut peer, stream) = stage.open(&upgrade(&header));
        let head = read(&mut peer).expect("it is open");
        let answer = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        let params = answer.map(|line| {
            let params = line.split(';').skip(1).map(|param| match param.trim().split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (param.trim(), None),
            });
            let offer = ClientOffer::default();
            offer.accept_response(params).expect("an answer to our offer")
        });
        assert_eq!(params.is_some(), !offer.is_empty(), "{head}");
        let compression =
            if params.is_some() { Compression::PerMessageDeflate } else { Compression::Off };
        let config = Config { limits: Limits::default(), compression };
        let client = Self {
            peer,
            protocol: Connection::client(&config, Box::new(|| MaskKey::new([0; 4]))),
            assembler: Assembler::new(1 << 20),
            session: params.map(|params| Session::new(Role::Client, params)),
            engine: Engine::new(EngineConfig::default()),
            messages: Vec::new(),
            compressed: 0,
        };
        (client, stream)
    }

    fn receive(&mut self) {
        let mut bytes = self.peer.read(usize::MAX).expect("it is open");
        let (mut input, mut out) = (&mut bytes[..], Vec::new());
        while let Some(event) =
            self.protocol.receive(&mut input, &mut out).expect("the server keeps the rules")
        {
            match event {
                Received::Message(message) => self.messages.push(message.as_bytes().to_vec()),
                Received::Piece(piece) => {
                    self.compressed += usize::from(piece.first && piece.compressed);
                    let mut codec = self.session.as_mut().map(|s| s.codec(&mut self.engine));
                    let codec = codec.as_mut().map(|codec| codec as &mut dyn MessageCodec);
                    let whole = self.assembler.push(piece, codec).expect("it inflates");
                    self.messages.extend(whole.map(|message| message.as_bytes().to_vec()));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Words, of which many come again.
fn text(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.skewed(3_000) {
        text += ["alpha ", "beta ", "gamma ", "delta ", "epsilon "][random.below(5)];
        text.push(char::from(b'a' + u8::try_from(random.below(26)).expect("a letter")));
    }
    text
}

/// [server:shared-window]
#[test]
fn every_kind_of_client_reads_the_same() {
    let offers = [
        "",
        "permessage-deflate",
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover",
    ];
    let mut random = Random::new(1);
    let mut stage = Stage::new(ROOM, |_| {});
    let (mut clients, streams): (Vec<_>, Vec<_>) =
        offers.iter().map(|offer| Client::open(&mut stage, offer)).unzip();
    let mut expected = vec![Vec::new(); offers.len()];
    for _ in 0..300 {
        // To all alike, or to one of them: their windows hold different things then.
        let text = text(&mut random);
        let only = random.one_in(2).then(|| random.below(offers.len()));
        for (client, messages) in expected.iter_mut().enumerate() {
            if only.is_none_or(|only| only == client) {
                messages.push(text.clone().into_bytes());
            }
        }
        let streams = streams.clone();
        stage.act(move |context| {
            if let Some(only) = only {
                return context.send(streams[only], Message::Text(&text)).expect("it is open");
            }
            let message = SharedMessage::text(&text);
            for stream in streams {
                context.send_shared(stream, &message).expect("it is open");
            }
        });
    }
    stage.turns();
    for (client, expected) in clients.iter_mut().zip(expected) {
        client.receive();
        assert!(client.messages == expected);
        assert!(client.session.is_none() || client.compressed > 50, "{}", client.compressed);
    }
    assert_eq!(clients[0].compressed, 0);
}

/// [server:shared-same]
#[test]
fn a_shared_event_is_an_event() {
    let mut stage = Stage::new(ROOM, |_| {});
    let requests = [get("/events"), "GET /events HTTP/1.0\r\n\r\n".to_owned()];
    for request in requests {
        let (mut one, by_copy) = stage.open(&request);
        let (mut other, by_share) = stage.open(&request);
        for data in ["", "a\nb", &"x".repeat(100), &"y\n".repeat(10_000)] {
            let data = data.to_owned();
            stage.act(move |context| {
                let event = Event { id: EventId::new("7").ok(), ..Event::message(&data) };
                let shared = SharedEvent::new(&event);
                context.send_event(by_copy, &event).expect("it is open");
                context.send_shared_event(by_share, &shared).expect("it is open");
                context.send_shared_event(by_share, &shared.clone()).expect("it is open");
                context.send_event(by_copy, &event).expect("it is open");
                let message = SharedMessage::binary(shared.as_bytes());
                assert_eq!(context.send_shared(by_share, &message), Err(SendError::Gone));
            });
        }
        stage.turns();
        let (copied, shared) = (read(&mut one), read(&mut other));
        assert!(copied.as_ref().is_some_and(|text| text.len() > 40_000));
        assert!(copied == shared);
    }
    let stats = stage.server.stats();
    assert_eq!(stats.events_sent, 2 * 4 * 4);
}
