//! Nodes that tell each other of the members of their rooms, over an order of batches that all read.

use std::collections::BTreeSet;
use std::sync::Arc;

use sockeye_hub::presence::{Batch, Change, Elsewhere, Limits, Presence, Report, RoomBatch};
use sockeye_simnet::{Random, each_seed};

const NODES: usize = 3;
const ROOMS: [&str; 2] = ["r", "s"];
const USERS: usize = 4;

type Pair = (String, String);

struct Node {
    members: Presence<()>,
    nameless: [u64; 2],
    report: Report,
    elsewhere: Elsewhere,
    /// Who is there, for somebody who was told of all changes.
    told: BTreeSet<Pair>,
    /// A batch under way, and whether the others get it.
    under_way: Option<(Batch, bool)>,
}

fn limits() -> Limits {
    Limits::default()
}

impl Node {
    fn new() -> Self {
        Self {
            members: Presence::new(limits()),
            nameless: [0; 2],
            report: Report::default(),
            elsewhere: Elsewhere::new(limits()),
            told: BTreeSet::new(),
            under_way: None,
        }
    }

    fn tell(&mut self, room: &str, user: &str, is_there: bool) {
        let pair = (room.to_owned(), user.to_owned());
        let is_new = if is_there { self.told.insert(pair) } else { self.told.remove(&pair) };
        assert!(is_new, "{room} {user}: {is_there} is told twice");
    }

    fn join(&mut self, room: &str, user: &str) {
        let joined = self.members.join(room, user, ()).expect("there is room");
        let is_new = joined == sockeye_hub::presence::Joined::Arrived;
        if is_new && !self.elsewhere.note_here(room, user, true) {
            self.tell(room, user, true);
        }
        self.report.note(&room.into(), Some(&user.into()));
    }

    fn leave(&mut self, room: &str, user: &str, grace_ms: u64, now_ms: u64) {
        if self.members.leave(room, user, grace_ms, now_ms) {
            self.report.note(&room.into(), Some(&user.into()));
        }
    }

    fn expire(&mut self, now_ms: u64) {
        while let Some(left) = self.members.expire(now_ms) {
            self.report.note(&left.room, Some(&left.member));
            if !self.elsewhere.note_here(&left.room, &left.member, false) {
                self.tell(&left.room, &left.member, false);
            }
        }
    }

    fn batch(&mut self, bytes: usize) -> Option<Batch> {
        let (members, nameless) = (&self.members, self.nameless);
        let at = |room: &str| ROOMS.iter().position(|it| *it == room).expect("a room of ours");
        self.report.take(
            bytes,
            |room| nameless[at(room)],
            |room, user| members.connections(room, user),
        )
    }

    fn take(&mut self, changes: impl IntoIterator<Item = Change>) {
        for (room, user) in changes {
            if let Some((user, is_there)) = user {
                self.tell(&room, &user, is_there);
            }
        }
    }

    fn hear(&mut self, node: u64, batch: &Batch) {
        let members = &self.members;
        let changes = self.elsewhere.take(node, batch, |room, user| members.has(room, user));
        self.take(changes);
    }

    fn sweep(&mut self, now_ms: u64) {
        let members = &self.members;
        let swept = self.elsewhere.sweep(now_ms, |room, user| members.has(room, user));
        self.take(swept);
    }

    fn here(&self) -> BTreeSet<Pair> {
        let of = |room: &'static str| {
            let names = self.members.list(room, None, usize::MAX);
            names.map(move |(name, ..)| (room.to_owned(), name.to_owned())).collect::<Vec<_>>()
        };
        ROOMS.into_iter().flat_map(of).collect()
    }

    fn listed(&self) -> BTreeSet<Pair> {
        let mut all = self.here();
        for room in ROOMS {
            let names = self.elsewhere.list(room, None, usize::MAX);
            all.extend(names.map(|(name, _)| (room.to_owned(), name.to_owned())));
        }
        all
    }

    fn check(&self) {
        assert_eq!(self.told, self.listed(), "changes and list agree");
        let here = self.here();
        for room in ROOMS {
            let names = self.elsewhere.list(room, None, usize::MAX);
            let only =
                names.filter(|(name, _)| !here.contains(&(room.to_owned(), (*name).to_owned())));
            assert_eq!(self.elsewhere.only(room), only.count());
        }
    }

    fn connections(&self, at: usize) -> u64 {
        let room = ROOMS[at];
        let here: u64 =
            self.members.list(room, None, usize::MAX).map(|(_, count, ())| u64::from(count)).sum();
        here + self.nameless[at]
    }
}

/// All nodes read a batch of one of them.
fn spread(nodes: &mut [Node], from: usize) {
    let Some((batch, arrives)) = nodes[from].under_way.take() else { return };
    nodes[from].report.settle(arrives);
    for (at, node) in nodes.iter_mut().enumerate().filter(|(at, _)| arrives && *at != from) {
        assert_ne!(at, from);
        node.hear(from as u64, &batch);
    }
}

fn happen(nodes: &mut [Node], random: &mut Random, now_ms: u64) {
    let (at, room) = (random.below(NODES), random.below(2));
    let user = format!("u{}", random.below(USERS));
    match random.below(12) {
        0..3 => nodes[at].join(ROOMS[room], &user),
        3..6 => nodes[at].leave(ROOMS[room], &user, random.below(30) as u64, now_ms),
        6 => {
            let count = &mut nodes[at].nameless[room];
            *count = if *count > 0 && random.one_in(2) { *count - 1 } else { *count + 1 };
            nodes[at].report.note(&ROOMS[room].into(), None);
        }
        7 | 8 => {
            if let Some(batch) = nodes[at].batch(1 + random.below(60)) {
                nodes[at].under_way = Some((batch, !random.one_in(8)));
            }
        }
        9 => spread(nodes, at),
        10 if random.one_in(4) => {
            // Its lease ends, for all others.
            let gone = at as u64;
            let until = if random.one_in(2) { 0 } else { now_ms + 10 };
            nodes.iter_mut().enumerate().filter(|(other, _)| *other != at).for_each(|(_, it)| {
                it.elsewhere.forget(gone, until);
            });
            nodes[at].report.repeat();
        }
        10 if random.one_in(4) => nodes[at].report.repeat(),
        _ => nodes[at].sweep(now_ms),
    }
    nodes.iter_mut().for_each(|node| node.expire(now_ms));
    nodes.iter().for_each(Node::check);
}

fn play(seed: u64) {
    let mut random = Random::new(seed);
    let mut nodes: Vec<Node> = (0..NODES).map(|_| Node::new()).collect();
    let mut now_ms = 0;
    for _ in 0..200 {
        now_ms += random.below(5) as u64;
        happen(&mut nodes, &mut random, now_ms);
    }
    for _ in 0..100 {
        for at in 0..NODES {
            spread(&mut nodes, at);
            nodes[at].expire(now_ms);
            let batch = nodes[at].batch(40);
            nodes[at].under_way = batch.map(|batch| (batch, true));
            nodes[at].sweep(u64::MAX);
            nodes[at].check();
        }
    }
    let all: BTreeSet<Pair> = nodes.iter().flat_map(Node::here).collect();
    for (at, node) in nodes.iter().enumerate() {
        assert!(!node.report.is_due(), "all is told");
        assert_eq!(node.listed(), all, "each lists all");
        for (room, name) in ROOMS.iter().enumerate() {
            let others = nodes.iter().enumerate().filter(|(other, _)| *other != at);
            let wanted: u64 = others.map(|(_, it)| it.connections(room)).sum();
            assert_eq!(node.elsewhere.connections(name), wanted, "in {name}");
        }
    }
    for node in &mut nodes {
        (0..NODES as u64).for_each(|other| node.elsewhere.forget(other, 0));
        while node.elsewhere.next_deadline().is_some_and(|_| node.elsewhere.held() > 0) {
            node.sweep(0);
        }
        assert_eq!(node.elsewhere.held(), 0, "nothing is left");
    }
}

/// [service:presence-nodes]
#[test]
fn each_node_lists_the_members_of_all() {
    each_seed(1_000, play, |()| ());
}

fn batch(room: &str, members: &[(&str, u32)]) -> Batch {
    let members = members.iter().map(|(user, count)| (Arc::from(*user), Some(*count))).collect();
    let rooms = vec![RoomBatch { room: room.into(), nameless: 0, members }];
    Batch { rooms, ..Batch::default() }
}

/// [service:presence-bounds]
#[test]
fn what_a_node_says_is_bounded() {
    let mut limits = Limits::default();
    (limits.room_members_max, limits.members_max) = (2, 3);
    let mut elsewhere = Elsewhere::new(limits);
    let nobody = |_: &str, _: &str| false;
    let changes = elsewhere.take(7, &batch("r", &[("a", 1), ("b", 1), ("c", 1)]), nobody);
    assert_eq!(changes.len(), 2);
    elsewhere.take(7, &batch("s", &[("a", 1), ("b", 1)]), nobody);
    assert_eq!((elsewhere.only("r"), elsewhere.only("s"), elsewhere.only_of_all()), (2, 1, 3));
    // Another node has bounds of its own. Who is known may change.
    elsewhere.take(8, &batch("r", &[("c", 2)]), nobody);
    elsewhere.take(7, &batch("r", &[("a", 5)]), nobody);
    assert_eq!((elsewhere.only("r"), elsewhere.connections("r")), (3, 8));
    assert_eq!(elsewhere.connections_of("r", "a"), 5);
}

/// [service:presence-nodes]
#[test]
fn a_crowd_is_told_in_batches_and_each_change_once() {
    let mut node = Node::new();
    for user in 0..1_000 {
        node.join("r", &format!("user{user:04}"));
        node.join("r", &format!("user{user:04}"));
    }
    let (mut batches, mut members) = (0, 0);
    assert!(node.report.take_due() && !node.report.take_due(), "it is said once");
    while let Some(batch) = node.batch(1_000) {
        assert!(node.batch(1_000).is_none(), "one is under way at a time");
        assert!(batch.cost() < 1_100 && !batch.begins && !batch.ends, "{batch:?}");
        members += batch.rooms.iter().map(|room| room.members.len()).sum::<usize>();
        batches += 1;
        node.report.settle(true);
    }
    assert_eq!((members, batches), (1_000, 17));
    assert!(!node.report.take_due(), "nobody tells what has not changed");
}
