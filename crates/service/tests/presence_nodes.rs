//! Presence over the nodes of a shared log.

use std::sync::Arc;
use std::time::Instant;

use sockeye_hub::Epoch;
use sockeye_service::sequencing::{
    Batch, Health, NodePresence, Outcome, PresenceNews, RoomBatch, Statement, Ticket, Verdict,
};

use crate::common::{PATIENCE, Running, Scripted, Socket, TicketsOf, ask, start};
use crate::presence::{header, presence, setup, socket, until_counts};

const LONG: u64 = 3_600_000;

struct Log {
    backbone: Scripted,
    news: u64,
}

/// A server on a log, with a grace time.
fn on_a_log(grace_ms: u64) -> (Running, Log) {
    let backbone = Scripted::new(TicketsOf::Log);
    let theirs = backbone.clone();
    let server = start(|it| {
        setup(it, grace_ms);
        it.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    backbone.say(&server, [Outcome::Epoch(Epoch(8)), Outcome::Health(Health::Good)]);
    (server, Log { backbone, news: 0 })
}

type Members<'a> = &'a [(&'a str, Option<u32>)];

fn batch(nameless: u64, members: Members<'_>) -> Batch {
    let members = members.iter().map(|(user, count)| (Arc::from(*user), *count)).collect();
    let rooms = vec![RoomBatch { room: "room:1".into(), nameless, members }];
    Batch { rooms, ..Batch::default() }
}

/// What a node says of the streams of users.
fn streams(members: Members<'_>) -> Batch {
    let mut batch = batch(0, members);
    batch.rooms[0].room = "".into();
    batch
}

impl Log {
    fn say(&mut self, server: &Running, what: NodePresence) {
        self.news += 1;
        let news = PresenceNews { number: self.news, what };
        self.backbone.say(server, [Outcome::Presence(Arc::new(news))]);
    }

    /// What the other nodes are told next of members.
    fn told(&self) -> (Ticket, Batch) {
        match self.backbone.heard() {
            (ticket, Statement::Present(mut batch)) => {
                batch.rooms.retain(|room| !room.room.is_empty());
                (ticket, batch)
            }
            other => panic!("{other:?}"),
        }
    }

    fn settle(&self, server: &Running, ticket: Ticket, verdict: Verdict) {
        self.backbone.say(server, [Outcome::Answer(ticket, verdict)]);
    }
}

fn names(server: &Running) -> Vec<(String, u64)> {
    let listed = presence(server, "");
    let members = listed["members"].as_array().expect("a list").iter();
    let member = |it: &serde_json::Value| {
        (it["user"].as_str().expect("a name").to_owned(), it["streams"].as_u64().expect("a count"))
    };
    members.map(member).collect()
}

fn named(members: &[(&str, u64)]) -> Vec<(String, u64)> {
    members.iter().map(|(user, count)| ((*user).to_owned(), *count)).collect()
}

/// [service:presence-nodes]
#[test]
fn members_of_other_nodes_are_listed_and_told_until_they_leave() {
    let (server, mut log) = on_a_log(LONG);
    let mut ann = socket(&server, "ann", "room:1", true);
    until_counts(&mut ann, 1, 1);
    log.say(&server, NodePresence::Said(7, batch(2, &[("bob", Some(1)), ("ann", Some(2))])));
    let (joined, left) = until_counts(&mut ann, 2, 6);
    assert_eq!((joined, left), (vec!["bob".to_owned()], vec![]), "she was there before");
    assert_eq!(names(&server), named(&[("ann", 3), ("bob", 1)]));
    // She comes and goes at the other node, and he at a third one.
    log.say(&server, NodePresence::Said(7, batch(2, &[("ann", None)])));
    log.say(&server, NodePresence::Said(8, batch(0, &[("bob", Some(0))])));
    let (joined, left) = until_counts(&mut ann, 2, 4);
    assert_eq!((joined.len(), left.len()), (0, 0));
    log.say(&server, NodePresence::Gone(7));
    assert_eq!(until_counts(&mut ann, 2, 1).1.len(), 0, "he is at another node");
    log.say(&server, NodePresence::Gone(8));
    assert_eq!(until_counts(&mut ann, 1, 1).1, ["bob"]);
    assert_eq!(names(&server), named(&[("ann", 1)]));
}

/// [service:presence-nodes]
#[test]
fn the_other_nodes_are_told_in_batches_of_how_it_is_now() {
    let (server, mut log) = on_a_log(LONG);
    let ann = socket(&server, "ann", "room:1", false);
    let (first, batch_1) = log.told();
    assert_eq!(batch_1, batch(0, &[("ann", Some(1))]));
    // What happens meanwhile comes in one batch, as it is in the end.
    let _again = socket(&server, "ann", "room:1", false);
    let bob = socket(&server, "bob", "room:1", false);
    drop((ann, bob));
    server.wait_for_streams(1);
    assert!(log.backbone.is_silent(), "one is under way at a time");
    log.settle(&server, first, Verdict::Taken);
    let (second, batch_2) = log.told();
    assert_eq!(batch_2, batch(0, &[("ann", Some(1)), ("bob", Some(0))]));
    log.settle(&server, second, Verdict::Taken);
    server.run(|_| ());
    assert!(log.backbone.is_silent(), "all is told");
    // Somebody does not know it.
    log.say(&server, NodePresence::Repeat);
    let (third, batch_3) = log.told();
    assert_eq!(batch_3, Batch { begins: true, ends: true, ..batch_2 });
    // The same news again, as another loop of this process has it.
    log.news -= 1;
    log.say(&server, NodePresence::Repeat);
    log.settle(&server, third, Verdict::Taken);
    server.run(|_| ());
    assert!(log.backbone.is_silent(), "it was heard before");
}

/// [service:presence-nodes]
#[test]
fn what_the_log_has_refused_is_told_again() {
    let (server, log) = on_a_log(LONG);
    let _ann = socket(&server, "ann", "room:1", false);
    let (first, batch_1) = log.told();
    log.settle(&server, first, Verdict::OldNodes);
    server.run(|_| ());
    assert!(log.backbone.is_silent(), "not at once");
    // After five seconds.
    let (_, batch_2) = log.told();
    assert_eq!(batch_2, Batch { begins: true, ends: true, ..batch_1 });
}

/// [service:presence-nodes] [service:presence-grace]
#[test]
fn the_members_of_a_node_that_has_left_have_their_grace_time() {
    let (server, mut log) = on_a_log(500);
    let mut ann = socket(&server, "ann", "room:1", true);
    until_counts(&mut ann, 1, 1);
    log.say(&server, NodePresence::Said(7, batch(0, &[("bob", Some(1)), ("cyd", Some(1))])));
    until_counts(&mut ann, 3, 3);
    log.say(&server, NodePresence::Left(7));
    log.say(&server, NodePresence::Said(8, batch(0, &[("bob", Some(1))])));
    assert_eq!(names(&server), named(&[("ann", 1), ("bob", 2), ("cyd", 1)]));
    let (joined, left) = until_counts(&mut ann, 2, 2);
    assert_eq!((joined.len(), left), (0, vec!["cyd".to_owned()]), "he has come back elsewhere");
}

/// [service:presence-polls]
#[test]
fn who_polls_at_another_node_stays() {
    let (server, mut log) = on_a_log(LONG);
    log.say(&server, NodePresence::Said(7, batch(0, &[("ann", Some(0))])));
    let header = header(&server, "ann");
    let target = "/v1/poll?channel=room:1&wait=0";
    ask(server.addr, "GET", target, &header, "");
    assert_eq!(log.told().1, batch(0, &[("ann", Some(0))]), "her grace time goes on here");
    log.say(&server, NodePresence::Gone(7));
    assert_eq!(names(&server), named(&[("ann", 0)]));
}

/// [service:presence-bounds]
#[test]
fn bounds_count_the_members_of_all_nodes() {
    let backbone = Scripted::new(TicketsOf::Log);
    let theirs = backbone.clone();
    let server = start(|it| {
        setup(it, LONG);
        it.limits.presence.room_members_max = 2;
        it.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    backbone.say(&server, [Outcome::Epoch(Epoch(8)), Outcome::Health(Health::Good)]);
    let mut log = Log { backbone, news: 0 };
    log.say(&server, NodePresence::Said(7, batch(0, &[("ann", Some(1)), ("bob", Some(1))])));
    let _sockets: [Socket; 2] = ["bob", "cyd"].map(|user| socket(&server, user, "room:1", false));
    assert_eq!(names(&server), named(&[("ann", 1), ("bob", 2)]));
    let listed = presence(&server, "");
    assert_eq!((&listed["users"], &listed["streams"]), (&2.into(), &4.into()), "one has no name");
}

/// [service:bound-user]
#[test]
fn the_streams_of_a_user_are_bounded_at_all_nodes_together() {
    let backbone = Scripted::new(TicketsOf::Log);
    let theirs = backbone.clone();
    let server = start(|it| {
        setup(it, 0);
        it.limits.connections_per_user = 2;
        it.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    backbone.say(&server, [Outcome::Epoch(Epoch(8)), Outcome::Health(Health::Good)]);
    let mut log = Log { backbone, news: 0 };
    let here = socket(&server, "ann", "quiet:1", false);
    let told = log.backbone.heard_of_streams();
    assert_eq!(told, streams(&[("ann", Some(1))]), "also where no channel has presence");
    log.say(&server, NodePresence::Said(7, streams(&[("ann", Some(1)), ("bob", Some(9))])));
    assert_eq!(presence(&server, "")["users"], 0, "they are members of no channel");
    let poll = |user| {
        let bearer = header(&server, user);
        ask(server.addr, "GET", "/v1/poll?channel=quiet:1&wait=1", &bearer, "").status
    };
    assert_eq!([poll("ann"), poll("bob"), poll("cyd")], [429, 429, 204]);
    // One of hers ends there, and all of his end with the node.
    log.say(&server, NodePresence::Said(7, streams(&[("ann", None)])));
    assert_eq!([poll("ann"), poll("bob")], [204, 429]);
    log.say(&server, NodePresence::Gone(7));
    // The streams of a node that is gone are forgotten over turns.
    let late = Instant::now() + PATIENCE;
    let mut polls = core::iter::repeat_with(|| poll("bob"));
    let answer = polls.find(|status| *status != 429 || Instant::now() > late);
    assert_eq!(answer, Some(204));
    drop(here);
    server.wait_for_streams(0);
    // The polls are told, too, as far as they last.
    while !log.backbone.heard_of_streams().rooms[0].members.contains(&("ann".into(), None)) {}
}
