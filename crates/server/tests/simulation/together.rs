//! Messages sent together are the same bytes as messages sent one by one.
//!
//! The same game is played on two stages. On the first one everything is sent one by one.

use std::cell::RefCell;
use std::rc::Rc;

use sockeye_server::{
    Context, Event, SendError, SharedEvent, SharedEvents, SharedMessage, SharedMessages, StreamKey,
};
use sockeye_simnet::{Peer, Random, each_seed};

use crate::simulation::stage::{Stage, get, upgrade};

const ROUNDS: usize = 60;

/// Seeds in a run that does not say how many.
const SEEDS: u64 = 2_000;

/// The outcome of a game: the messages sent at once, and those that a bound cut.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    whole: u64,
    cut: u64,
}

/// A peer of each stage. Both are treated alike, but for the way in which they are sent to.
struct Pair {
    is_web_socket: bool,
    peers: [Peer; 2],
    streams: [StreamKey; 2],
}

impl Pair {
    fn open(stages: &mut [Stage; 2], request: &str) -> Self {
        let [one, other] = stages;
        let ((one, by_one), (other, together)) = (one.open(request), other.open(request));
        let is_web_socket = request.contains("Upgrade");
        Self { is_web_socket, peers: [one, other], streams: [by_one, together] }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.peers.iter_mut().for_each(|peer| peer.write(bytes));
    }

    /// Reads so many bytes of what has come.
    fn read(&mut self, bytes_max: usize) -> usize {
        let [one, other] = &mut self.peers;
        let (one, other) = (one.read(bytes_max), other.read(bytes_max));
        assert!(one == other, "{one:?} {other:?}");
        one.map_or(0, |bytes| bytes.len())
    }
}

/// How sending ended, and the bytes that wait.
type Sent = (Result<(), (usize, SendError)>, usize);

fn turns(stages: &mut [Stage; 2]) {
    stages.iter_mut().for_each(Stage::turns);
}

/// Runs `errand` in a turn, and returns what it returns.
fn act<T: 'static>(
    stage: &mut Stage,
    errand: impl FnOnce(&mut Context<'_>) -> T + 'static,
) -> Option<T> {
    let result = Rc::new(RefCell::new(None));
    let told = Rc::clone(&result);
    stage.act(move |context| *told.borrow_mut() = Some(errand(context)));
    result.take()
}

/// Sends messages to a WebSocket, or events to an event stream.
fn send(
    context: &mut Context<'_>,
    (stream, is_web_socket): (StreamKey, bool),
    texts: &[String],
    waiting_max: usize,
    is_together: bool,
) -> Sent {
    let messages = || texts.iter().map(|text| SharedMessage::text(text));
    let events = || texts.iter().map(|text| SharedEvent::new(&Event::message(text)));
    let sent = match (is_web_socket, is_together) {
        (true, true) => {
            let messages: SharedMessages = messages().collect();
            context.send_all_shared_below(stream, &messages, waiting_max)
        }
        (false, true) => {
            let events: SharedEvents = events().collect();
            context.send_all_shared_events_below(stream, &events, waiting_max)
        }
        (true, false) => messages().enumerate().try_for_each(|(sent, message)| {
            let one = context.send_shared_below(stream, &message, waiting_max);
            one.map_err(|why| (sent, why))
        }),
        (false, false) => events().enumerate().try_for_each(|(sent, event)| {
            let one = context.send_shared_event_below(stream, &event, waiting_max);
            one.map_err(|why| (sent, why))
        }),
    };
    (sent, context.outbox_bytes(stream))
}

/// Whether nothing waits for the peers. How many pongs leave beside something else is not the same: their bound
/// looks at the bytes that are copied, and messages that are sent together are not.
fn is_written(stages: &mut [Stage; 2], pair: &Pair) -> bool {
    let waiting = [0, 1].map(|which| {
        let stream = pair.streams[which];
        act(&mut stages[which], move |context| context.outbox_bytes(stream))
    });
    assert_eq!(waiting[0], waiting[1]);
    waiting[0] == Some(0)
}

fn play(seed: u64) -> Totals {
    let mut random = Random::new(seed);
    let room = [600, 5_000, 1 << 20][random.below(3)];
    let new = || {
        Stage::new(room, |limits| {
            limits.outbox_bytes_max = 12_000;
            // Some pongs fit, and many have one wait.
            limits.websocket.replies_bytes_max = 2_000;
        })
    };
    let mut stages = [new(), new()];
    let deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let http1_0 = "GET /events HTTP/1.0\r\n\r\n".to_owned();
    let requests = [upgrade(""), upgrade(deflate), get("/events"), http1_0];
    let mut pairs: Vec<_> = requests.iter().map(|it| Pair::open(&mut stages, it)).collect();
    let mut totals = Totals::default();
    for _ in 0..ROUNDS {
        let at = random.below(pairs.len());
        let pair = &mut pairs[at];
        match random.below(8) {
            0..4 => {
                let texts: Vec<String> =
                    (0..1 + random.below(6)).map(|_| "text ".repeat(random.skewed(500))).collect();
                let waiting_max = [random.skewed(9_000), usize::MAX][random.below(2)];
                let is_web_socket = pair.is_web_socket;
                let mut sent = [0, 1].map(|which| {
                    let (to, texts) = ((pair.streams[which], is_web_socket), texts.clone());
                    act(&mut stages[which], move |context| {
                        send(context, to, &texts, waiting_max, which == 1)
                    })
                });
                assert_eq!(sent[0], sent[1]);
                match sent[0].take() {
                    Some((Ok(()), _)) => totals.whole += 1,
                    Some((Err(_), _)) | None => totals.cut += 1,
                }
            }
            4..6 => {
                pair.read(random.skewed(9_000));
                turns(&mut stages);
            }
            6 if pair.is_web_socket && is_written(&mut stages, pair) => {
                let ping = [&b"\x89\xfd\0\0\0\0"[..], &[7; 125]].concat();
                pair.write(&ping.repeat(1 + random.below(40)));
                turns(&mut stages);
            }
            7 if pair.is_web_socket && random.one_in(20) => {
                pair.write(b"\x88\x80\0\0\0\0");
                turns(&mut stages);
            }
            _ => turns(&mut stages),
        }
    }
    for pair in &mut pairs {
        while pair.read(usize::MAX) > 0 {
            turns(&mut stages);
        }
        assert_eq!(pair.peers[0].is_reset(), pair.peers[1].is_reset());
    }
    let [one, other] = stages.map(|stage| *stage.server.stats());
    assert_eq!((one.messages_sent, one.events_sent), (other.messages_sent, other.events_sent));
    assert_eq!((one.overflows, one.bytes_sent), (other.overflows, other.bytes_sent));
    totals
}

/// [server:shared-together]
#[test]
fn together_is_one_by_one() {
    let mut totals = Totals::default();
    let count = each_seed(SEEDS, play, |game| {
        totals.whole += game.whole;
        totals.cut += game.cut;
    });
    println!("together: {count} seeds, {totals:?}");
    assert!(count < 100 || (totals.whole > 5 * count && totals.cut > 2 * count), "{totals:?}");
}
