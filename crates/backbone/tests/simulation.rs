//! Three nodes on one simulated engine, whose faults come from a seed.
//!
//! Each node has a hub, and clients move between the hubs with their cursors. The oracle:
//!
//! - each acknowledged message reaches each client once, or the client is told of a gap;
//! - no client gets a message twice or out of order, unless it is told of another epoch in between;
//! - nodes that have read the same entries know the same;
//! - no receipt is given for what was not in the log;
//! - a user who was disconnected has no stream left at any node, and no node does it twice;
//! - in the end each node lists the members of all nodes, and of no others, with their connections;
//! - a ticket is redeemed once at the most over all nodes, unless the log has lost its tail;
//! - when the faults end, all nodes are ready again.

mod client;
mod oracle;
mod presence;
mod station;
mod tickets;
mod world;

use sockeye_simnet::each_seed;

use self::presence::Heard;
use self::world::{Faults, World};

/// What the seeds have covered.
#[derive(Debug, Default)]
struct Coverage {
    acknowledged: u64,
    received: u64,
    gaps: u64,
    epochs: u64,
    rejoined: u64,
    repeats: u64,
    killed: u64,
    resumed: u64,
    compared: u64,
    joined_behind: u64,
    disconnected: u64,
    ended: u64,
    recalled: u64,
    redeemed: u64,
    redeemed_again: u64,
    tickets_refused: u64,
    tickets_full: u64,
    presence: Heard,
    members: u64,
    imported: u64,
    imports_killed: u64,
    waited: u64,
    left: u64,
    too_old: u64,
    waits_for_upgrade: u64,
}

impl Coverage {
    fn add(&mut self, one: &Self) {
        self.acknowledged += one.acknowledged;
        self.received += one.received;
        self.gaps += one.gaps;
        self.epochs += one.epochs;
        self.rejoined += one.rejoined;
        self.repeats += one.repeats;
        self.killed += one.killed;
        self.resumed += one.resumed;
        self.compared += one.compared;
        self.joined_behind += one.joined_behind;
        self.disconnected += one.disconnected;
        self.ended += one.ended;
        self.recalled += one.recalled;
        self.redeemed += one.redeemed;
        self.redeemed_again += one.redeemed_again;
        self.tickets_refused += one.tickets_refused;
        self.tickets_full += one.tickets_full;
        self.presence.add(one.presence);
        self.members += one.members;
        self.imported += one.imported;
        self.imports_killed += one.imports_killed;
        self.waited += one.waited;
        self.left += one.left;
        self.too_old += one.too_old;
        self.waits_for_upgrade += one.waits_for_upgrade;
    }
}

fn play(seeds: u64, seed: fn(u64) -> Coverage) -> Coverage {
    let mut sum = Coverage::default();
    let played = each_seed(seeds, seed, |one| sum.add(one));
    println!("{played} seeds: {sum:?}");
    sum
}

const CALM: Faults =
    Faults { forks: false, kills: false, trims: false, imports: false, upgrades: false };

#[test]
fn cuts_and_delays() {
    let sum = play(3_000, |seed| World::play(seed, CALM));
    assert!(sum.repeats > 0 && sum.compared > 0, "{sum:?}");
    assert!(sum.disconnected > 0 && sum.ended > 0, "{sum:?}");
    assert!(sum.members > 0 && sum.presence.said > 0 && sum.presence.asked > 0, "{sum:?}");
    assert!(sum.redeemed > 0 && sum.tickets_refused > 0 && sum.tickets_full > 0, "{sum:?}");
    assert_eq!((sum.epochs, sum.rejoined), (0, 0), "nothing was lost: {sum:?}");
}

#[test]
fn killed_nodes() {
    let sum = play(3_000, |seed| World::play(seed, Faults { kills: true, ..CALM }));
    assert!(sum.killed > 0 && sum.resumed > 0, "{sum:?}");
    assert!(sum.presence.gone > 0, "{sum:?}");
    assert_eq!(sum.epochs, 0, "nothing was lost: {sum:?}");
}

#[test]
fn lost_tails_and_erased_logs() {
    let sum = play(3_000, |seed| World::play(seed, Faults { kills: true, forks: true, ..CALM }));
    assert!(sum.epochs > 0 && sum.rejoined > 0, "{sum:?}");
}

#[test]
fn trimmed_logs() {
    let sum = play(500, |seed| World::play(seed, Faults { kills: true, trims: true, ..CALM }));
    assert!(sum.joined_behind > 0, "{sum:?}");
    assert_eq!(sum.epochs, 0, "nothing was lost: {sum:?}");
}

#[test]
fn everything_at_once() {
    const FAULTS: Faults = Faults { kills: true, forks: true, trims: true, ..CALM };
    let sum = play(500, |seed| World::play(seed, FAULTS));
    assert!(sum.epochs > 0 && sum.joined_behind > 0, "{sum:?}");
}

#[test]
fn a_log_that_goes_on_from_another_one() {
    const FAULTS: Faults = Faults { kills: true, imports: true, ..CALM };
    let sum = play(2_000, |seed| World::play(seed, FAULTS));
    assert!(sum.imports_killed > 0 && sum.waited > 0, "{sum:?}");
    assert_eq!((sum.epochs, sum.rejoined), (0, 0), "nothing was lost: {sum:?}");
}

#[test]
fn lost_tails_of_a_log_that_goes_on_from_another_one() {
    const FAULTS: Faults = Faults { kills: true, forks: true, imports: true, ..CALM };
    let sum = play(1_000, |seed| World::play(seed, FAULTS));
    assert!(sum.epochs > 0 && sum.imported > 0, "{sum:?}");
}

#[test]
fn an_import_that_is_trimmed() {
    const FAULTS: Faults = Faults { kills: true, trims: true, imports: true, ..CALM };
    let sum = play(300, |seed| World::play(seed, FAULTS));
    assert!(sum.joined_behind > 0 && sum.imported > 0, "{sum:?}");
    assert_eq!(sum.epochs, 0, "nothing was lost: {sum:?}");
}

#[test]
fn an_import_with_everything_else() {
    const FAULTS: Faults = Faults { kills: true, forks: true, trims: true, imports: true, ..CALM };
    let sum = play(300, |seed| World::play(seed, FAULTS));
    assert!(sum.epochs > 0 && sum.joined_behind > 0 && sum.imported > 0, "{sum:?}");
}

#[test]
fn nodes_of_several_versions() {
    const FAULTS: Faults = Faults { upgrades: true, ..CALM };
    let sum = play(3_000, |seed| World::play(seed, FAULTS));
    assert!(sum.waits_for_upgrade > 0 && sum.left > 0, "{sum:?}");
    assert!(sum.disconnected > 0 && sum.redeemed > 0 && sum.members > 0, "{sum:?}");
    assert_eq!((sum.epochs, sum.rejoined), (0, 0), "nothing was lost: {sum:?}");
}

#[test]
fn an_upgrade_with_everything_else() {
    const FAULTS: Faults = Faults { kills: true, forks: true, upgrades: true, ..CALM };
    let sum = play(1_000, |seed| World::play(seed, FAULTS));
    assert!(sum.epochs > 0 && sum.waits_for_upgrade > 0, "{sum:?}");
    const TRIMMED: Faults = Faults { kills: true, trims: true, upgrades: true, ..CALM };
    let sum = play(200, |seed| World::play(seed, TRIMMED));
    assert!(sum.joined_behind > 0 && sum.waits_for_upgrade > 0, "{sum:?}");
}
