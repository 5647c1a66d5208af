//! Messages that are delivered together come as they would one by one.
//!
//! The same game is played to two services. One delivers each message by itself, the other one in bursts.
//! Every client gets the same bytes in the same turns, and the counters agree. So they do if the second one
//! delivers to one or two sessions at a time, as long as everybody reads.

use sockeye_hub::{Config, Epoch, PatternUse};
use sockeye_service::{Limits, Service};
use sockeye_simnet::{Peer, Random, each_seed};

use crate::fan_out::{UPGRADE, World, frame};

const CHANNELS: [&str; 3] = ["a", "b:1", "b:2"];
const TARGETS: [&str; 4] = ["a", "b:1", "b:2", "b:*"];
const CLIENTS: usize = 24;
/// The last of them publish by requests.
const PUBLISHERS: usize = 4;
const TURNS: usize = 40;

/// The steps of a client.
#[derive(Clone, Debug)]
enum Act {
    /// It sends bytes.
    Say(usize, Vec<u8>),
    /// It reads so many bytes in each turn from now on.
    Read(usize, usize),
    Reset(usize),
    Turn(u64),
}

/// A game: how each client opens, and what happens then.
#[derive(Debug)]
struct Game {
    openings: Vec<Vec<u8>>,
    acts: Vec<Act>,
    queue_bytes_max: usize,
    room_max: usize,
    history: usize,
}

/// The outcome of a game.
#[derive(Debug, Default)]
struct Played {
    /// The bytes that each client has read, by turn.
    read: Vec<Vec<Option<String>>>,
    stats: sockeye_hub::Stats,
}

fn text(random: &mut Random) -> String {
    "abcdefghij".repeat(random.skewed(30))
}

fn publication(random: &mut Random) -> String {
    let (channel, data) = (channel(random), text(random));
    format!(r#"{{"channel":"{channel}","data":"{data}"}}"#)
}

/// Mostly the same one.
fn channel(random: &mut Random) -> &'static str {
    CHANNELS[[0, 0, 0, 0, 1, 2][random.below(6)]]
}

fn post(path: &str, body: &str) -> String {
    let len = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n{body}")
}

/// Requests of one connection, which may come in one read.
fn request(random: &mut Random) -> String {
    match random.below(8) {
        0..4 => post(&format!("/v1/channels/{}", channel(random)), &text(random)),
        4 | 5 => {
            let lines = (0..random.below(9)).map(|_| publication(random) + "\n");
            post("/v1/batch", &lines.collect::<String>())
        }
        6 => post("/v1/publish", r#"{"channels":["a","b:1","a"],"data":"to many"}"#),
        _ => match random.below(6) {
            0 => post(&format!("/v1/channels/{}/close", CHANNELS[2]), ""),
            1 => "GET /v1/channels/a/history?limit=3 HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
            2 => post("/v1/batch", "{\"channel\":\"a\",\"data\":\"1\"}\nno\n"),
            3 => "GET /v1/position?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
            _ => "GET /v1/poll?channel=a&channel=b:*&wait=9 HTTP/1.1\r\nHost: localhost\r\n\r\n"
                .into(),
        },
    }
}

/// A command on a WebSocket with the subprotocol.
fn command(random: &mut Random) -> Vec<u8> {
    let target = TARGETS[random.below(4)];
    let text = match random.below(10) {
        0..5 => {
            let (channel, data) = (channel(random), text(random));
            let data = &data[..data.len().min(60)];
            format!(r#"{{"type":"publish","id":1,"channel":"{channel}","data":"{data}"}}"#)
        }
        5 | 6 => format!(r#"{{"type":"subscribe","channels":["{target}"]}}"#),
        7 => format!(r#"{{"type":"unsubscribe","channels":["{target}"]}}"#),
        8 => r#"{"type":"ping","id":2}"#.to_owned(),
        _ if random.one_in(4) => "no command".to_owned(),
        _ => format!(r#"{{"type":"subscribe","cursor":"1a-1","channels":["{target}"]}}"#),
    };
    frame(text.as_bytes())
}

fn opening(random: &mut Random) -> Vec<u8> {
    let target = TARGETS[[0, 0, 0, 1, 3][random.below(5)]];
    let events = |more: &str| {
        format!("GET /v1/sse?channel={target}{more} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    };
    let bare = UPGRADE.replace("Sec-WebSocket-Protocol: sockeye.v1.json\r\n", "");
    match random.below(12) {
        0..4 => events(""),
        4 => events("&envelope=json"),
        5 => events("&channel=b:1"),
        6 => events("").replace("HTTP/1.1", "HTTP/1.0"),
        7 => bare.replace("/v1/ws", &format!("/v1/ws?channel={target}")),
        8 => {
            UPGRADE.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        }
        _ => UPGRADE.to_owned(),
    }
    .into_bytes()
}

fn game(random: &mut Random) -> Game {
    let openings: Vec<Vec<u8>> = (0..CLIENTS)
        .map(|at| if at < CLIENTS - PUBLISHERS { opening(random) } else { Vec::new() })
        .collect();
    let mut acts = Vec::new();
    let speaks = |it: &Vec<u8>| String::from_utf8_lossy(it).contains("sockeye.v1.json");
    let sockets: Vec<usize> = (0..CLIENTS).filter(|at| speaks(&openings[*at])).collect();
    for at in &sockets {
        if random.below(3) > 0 {
            acts.push(Act::Say(*at, frame(br#"{"type":"subscribe","channels":["a"]}"#)));
        }
    }
    acts.push(Act::Turn(0));
    for _ in 0..TURNS {
        for _ in 0..random.below(6) {
            let (at, some) =
                (random.below(CLIENTS - PUBLISHERS), CLIENTS - 1 - random.below(PUBLISHERS));
            let act = match random.below(12) {
                0..6 => {
                    let requests = (0..1 + random.below(5)).map(|_| request(random));
                    Act::Say(some, requests.collect::<String>().into_bytes())
                }
                6..10 if !sockets.is_empty() => {
                    let socket = sockets[random.below(sockets.len())];
                    let commands = (0..1 + random.below(5)).map(|_| command(random));
                    Act::Say(socket, commands.collect::<Vec<_>>().concat())
                }
                10 if random.one_in(5) => {
                    // In a turn of its own: to a stream that is gone, a message that waited does not count
                    // as delivered.
                    acts.extend([Act::Turn(0), Act::Reset(at)]);
                    Act::Turn(0)
                }
                _ => Act::Read(at, [0, 300, 100_000][random.below(3)]),
            };
            acts.push(act);
        }
        acts.push(Act::Turn([0, 0, 3, 20_000][random.below(4)]));
    }
    Game {
        openings,
        acts,
        queue_bytes_max: [500, 4_000, 1 << 16][random.below(3)],
        room_max: [2_000, 1 << 20][random.below(2)],
        history: [100, 5][random.below(2)],
    }
}

fn play(game: &Game, burst_messages_max: usize, fan_out_members_max: usize) -> Played {
    let mut hub = Config::default();
    hub.settings.patterns = PatternUse::Allowed;
    hub.settings.history_messages_max = game.history;
    hub.limits.burst_messages_max = burst_messages_max;
    hub.limits.fan_out_members_max = fan_out_members_max;
    // Publications that wait for room come in another order.
    hub.limits.fan_outs_max = usize::MAX;
    let mut limits = Limits::default();
    limits.queue_bytes_max = game.queue_bytes_max;
    // The signs of life of the server's own go by its timers, which run before a burst is delivered.
    let mut server = sockeye_server::Limits::default();
    (server.ping_ms, server.heartbeat_ms) = (u64::from(u32::MAX), u64::from(u32::MAX));
    let mut world = World::with_room(Service::new(Epoch(7), hub, limits), server, game.room_max);
    let connect = |opening: &Vec<u8>| {
        let mut peer = world.net.connect().expect("it listens");
        peer.write(opening);
        (peer, 100_000)
    };
    let mut peers: Vec<(Peer, usize)> = game.openings.iter().map(connect).collect();
    let mut played = Played::default();
    turn(&mut world, &mut peers, &mut played);
    for act in &game.acts {
        match act {
            Act::Say(at, bytes) => peers[*at].0.write(bytes),
            Act::Read(at, bytes) => peers[*at].1 = *bytes,
            Act::Reset(at) => peers[*at].0.reset(),
            Act::Turn(ms) => {
                world.net.advance(*ms);
                turn(&mut world, &mut peers, &mut played);
            }
        }
    }
    peers.iter_mut().for_each(|(_, bytes)| *bytes = 1 << 20);
    (0..20).for_each(|_| turn(&mut world, &mut peers, &mut played));
    played.stats = world.server.app().hub_stats();
    played.stats.hastened = 0;
    played
}

/// Turns until nothing is left to do, and everybody reads. Those who publish by requests read all of it: when
/// the server goes on with requests whose answers are not read depends on who else is written to.
fn turn(world: &mut World, peers: &mut [(Peer, usize)], played: &mut Played) {
    let mut read: Vec<Option<String>> = vec![Some(String::new()); CLIENTS];
    loop {
        world.turn();
        while world.server.is_busy() {
            world.turn();
        }
        let mut is_over = true;
        for (at, peer) in peers.iter_mut().enumerate().skip(CLIENTS - PUBLISHERS) {
            is_over &= !take(peer, &mut read[at]);
        }
        if is_over {
            break;
        }
    }
    for (peer, read) in peers.iter_mut().zip(&mut read).take(CLIENTS - PUBLISHERS) {
        take(peer, read);
    }
    played.read.push(read);
}

/// Reads what has come, and returns whether there was something.
fn take((peer, bytes_max): &mut (Peer, usize), read: &mut Option<String>) -> bool {
    match peer.read(*bytes_max) {
        Some(bytes) => {
            read.get_or_insert_default().push_str(&String::from_utf8_lossy(&bytes));
            !bytes.is_empty()
        }
        None => {
            *read = read.take().filter(|read| !read.is_empty());
            false
        }
    }
}

fn same_bytes(game: &Game, [one, other]: [&Played; 2]) {
    for (turn, (one, other)) in one.read.iter().zip(&other.read).enumerate() {
        for (client, (one, other)) in one.iter().zip(other).enumerate() {
            let opening = String::from_utf8_lossy(&game.openings[client]);
            assert_eq!(one, other, "turn {turn}, client {client}: {opening}");
        }
    }
    assert_eq!(one.stats, other.stats);
}

fn compare(seed: u64) -> (u64, u64) {
    let game = game(&mut Random::new(seed));
    let (one, bursts) = (play(&game, 1, usize::MAX), play(&game, 64, usize::MAX));
    same_bytes(&game, [&one, &bursts]);
    (one.stats.delivered, one.stats.lagged)
}

/// [hub:burst-same] [service:message-first]
#[test]
fn every_client_gets_the_same_bytes() {
    let (mut delivered, mut lagged) = (0, 0);
    let count = each_seed(300, compare, |game| {
        delivered += game.0;
        lagged += game.1;
    });
    println!("bursts: {count} seeds, {delivered} deliveries, {lagged} slow readers");
    assert!(count < 100 || (delivered > 100 * count && lagged > 2 * count));
}

/// A receipt of a divided fan-out counts a client once for each of its subscriptions. So its length differs, too.
fn without_counts(mut played: Played) -> Played {
    const PUBLISHED: &str = r#"{"type":"published""#;
    for read in played.read.iter_mut().flatten().flatten() {
        *read = without_number_after("\"subscribers\":", read);
        *read = without_number_after("Content-Length: ", read);
        // What is before it, since the frame before, is the header of its frame.
        let mut parts: Vec<&str> = read.split(PUBLISHED).collect();
        let last = parts.pop().unwrap_or_default();
        let without_header =
            |part: &&str| part[..part.rfind('}').map_or(0, |at| at + 1)].to_owned();
        let parts: String = parts.iter().map(|it| without_header(it) + PUBLISHED).collect();
        *read = parts + last;
    }
    played
}

fn without_number_after(before: &str, text: &str) -> String {
    let parts = text.split(before);
    let parts = parts.map(|it| it.trim_start_matches(|it: char| it.is_ascii_digit()));
    parts.collect::<Vec<_>>().join(before)
}

/// A stream without room is behind, and how soon it reads again depends on the turn: so all have room here.
fn compare_divided(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut game = game(&mut random);
    (game.queue_bytes_max, game.room_max) = (1 << 20, 1 << 20);
    // A poll has the next requests of its connection wait, so when it is answered decides on the order of messages.
    game.acts.retain(|act| match act {
        Act::Say(_, bytes) => !String::from_utf8_lossy(bytes).contains("/v1/poll"),
        Act::Reset(_) | Act::Turn(_) => true,
        Act::Read(..) => false,
    });
    let one = without_counts(play(&game, 1, usize::MAX));
    let divided = without_counts(play(&game, 64, 1 + random.below(3)));
    same_bytes(&game, [&one, &divided]);
    one.stats.delivered
}

/// [hub:fan-out-order] [service:message-first] [service:fan-out-steps]
#[test]
fn every_client_gets_the_same_bytes_over_some_steps() {
    let mut delivered = 0;
    let count = each_seed(300, compare_divided, |game| delivered += game);
    println!("divided: {count} seeds, {delivered} deliveries");
    assert!(count < 100 || delivered > 100 * count);
}
