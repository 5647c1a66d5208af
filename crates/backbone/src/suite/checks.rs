//! The checks.

use std::sync::Arc;

use super::user::{User, bytes};
use super::{Check, Rig};
use crate::engine::{LogEnds, Position, Rejection, Trimming};

/// All checks.
pub const CHECKS: &[Check] = &[
    Check { name: "a_log_that_does_not_exist_is_up_and_empty", run: missing },
    Check { name: "entries_come_back_in_order_with_dense_numbers", run: order },
    Check { name: "entries_are_any_bytes", run: any_bytes },
    Check { name: "all_engines_read_one_order", run: one_order },
    Check { name: "reading_is_inclusive_and_can_begin_anywhere", run: inclusive },
    Check { name: "reading_again_drops_what_was_not_taken", run: again },
    Check { name: "a_log_is_begun_once", run: begun_once },
    Check { name: "a_raised_fence_rejects_older_appends", run: fence },
    Check { name: "no_append_creates_a_log", run: no_creation },
    Check { name: "an_erased_log_shows_in_the_ends", run: erased },
    Check { name: "trimmed_entries_are_a_jump", run: trimmed },
    Check { name: "a_cut_drops_appends_from_one_on_until_it_is_told", run: cut },
    Check { name: "an_event_wakes_its_owner", run: wake },
    Check { name: "many_entries_arrive_in_order", run: many },
];

fn missing(rig: &mut dyn Rig) {
    let mut user = User::reading(rig);
    user.wait(rig, "the ends are told", |it| !it.ends.is_empty());
    let last = |ends: &LogEnds| (ends.first, ends.last);
    assert_eq!(user.ups.iter().map(last).collect::<Vec<_>>(), [(None, None)]);
    assert_eq!(user.ends.last().map(last), Some((None, None)));
    assert_eq!(user.entries, []);
}

fn order(rig: &mut dyn Rig) {
    let mut user = User::with_log(rig);
    user.append(&["a", "b"]);
    user.append(&["c"]);
    user.wait_for(rig, 4);
    assert_eq!(user.texts(), ["birth", "a", "b", "c"]);
    assert_dense(&user, 1);
    let has_fences = user.engine.capabilities().has_fences;
    assert_eq!(user.positions()[0].fence > 0, has_fences, "a fence is no count from 0");
    let newest = user.positions()[3];
    user.wait(rig, "the ends reach the newest entry", |it| {
        it.ends.last().is_some_and(|ends| ends.last == Some(newest))
    });
    assert_eq!(user.ends.last().and_then(|ends| ends.first), user.positions().first().copied());
}

fn any_bytes(rig: &mut dyn Rig) {
    let mut user = User::with_log(rig);
    let fence = user.positions()[0].fence;
    let all: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..64 * 1024_u32).map(|it| it.to_le_bytes()[0]).collect();
    assert!(user.engine.capabilities().entry_bytes_max >= large.len());
    let batch = [bytes(&all), bytes(b"\r\n\0"), bytes(&large), bytes(b"x")];
    user.engine.append(fence, &batch).expect("little waits");
    user.wait_for(rig, 5);
    for (wanted, (position, entry)) in batch.iter().zip(&user.entries[1..]) {
        assert!(**wanted == **entry, "{position} has other bytes");
    }
}

fn one_order(rig: &mut dyn Rig) {
    let mut one = User::with_log(rig);
    let mut other = User::reading(rig);
    other.wait_for(rig, 1);
    for round in 0..20 {
        one.append(&[&format!("one {round}")]);
        other.append(&[&format!("other {round}"), &format!("other {round} again")]);
    }
    one.wait_for(rig, 61);
    other.wait_for(rig, 61);
    assert_eq!(one.entries, other.entries);
    assert_dense(&one, 1);
    for (user, wanted) in [("one", 20), ("other", 40)] {
        let own = |text: &&String| text.starts_with(&format!("{user} "));
        let texts = one.texts();
        let own: Vec<_> = texts.iter().filter(own).collect();
        assert_eq!(own.len(), wanted, "of {user}");
        let number = |text: &&&String| text.split(' ').nth(1).and_then(|it| it.parse::<u32>().ok());
        assert!(own.iter().map(|it| number(&it)).is_sorted(), "in the order of appends: {own:?}");
    }
}

fn inclusive(rig: &mut dyn Rig) {
    let mut user = User::with_log(rig);
    user.append(&["a", "b", "c"]);
    user.wait_for(rig, 4);
    let positions = user.positions();
    let mut other = User::new(rig);
    other.engine.read_from(positions[2]);
    other.wait_for(rig, 2);
    assert_eq!(other.entries, user.entries[2..]);
    other.entries.clear();
    other.engine.read_from(Position::new(positions[3].fence, positions[3].number + 1));
    user.append(&["d"]);
    other.wait_for(rig, 1);
    assert_eq!(other.texts(), ["d"]);
    assert_eq!(other.positions()[0].number, positions[3].number + 1);
}

fn again(rig: &mut dyn Rig) {
    let mut user = User::with_log(rig);
    user.append(&["a", "b", "c"]);
    user.wait_for(rig, 4);
    let positions = user.positions();
    let mut other = User::new(rig);
    other.engine.read_from(Position::ZERO);
    // Some of these may have arrived at the driver.
    (0..20).for_each(|_| rig.pass());
    other.engine.read_from(positions[2]);
    other.wait_for(rig, 2);
    (0..20).for_each(|_| rig.pass());
    other.take_all();
    assert_eq!(other.texts(), ["b", "c"]);
}

fn begun_once(rig: &mut dyn Rig) {
    let mut one = User::with_log(rig);
    let mut other = User::reading(rig);
    other.engine.begin_log(&bytes(b"second")).expect("nothing waits");
    other.wait(rig, "the log is read", |it| !it.entries.is_empty());
    one.append(&["a"]);
    for user in [&mut one, &mut other] {
        user.wait(rig, "a is read", |it| it.texts().contains(&"a".into()));
        // Readers pass over a second beginning, if the engine could not prevent it.
        user.entries.retain(|(_, entry)| entry != b"second");
        assert_eq!(user.texts(), ["birth", "a"]);
    }
    assert_eq!(one.entries, other.entries);
    assert_eq!((one.dropped, other.dropped), (vec![], vec![]), "it is no failure");
}

fn fence(rig: &mut dyn Rig) {
    let mut old = User::with_log(rig);
    if !old.engine.capabilities().has_fences {
        return;
    }
    let mut new = User::reading(rig);
    new.wait_for(rig, 1);
    new.engine.raise_fence(&bytes(b"raised")).expect("nothing waits");
    new.wait_for(rig, 2);
    let [first, raised] = [0, 1].map(|at| new.positions()[at]);
    assert!(raised.fence > first.fence, "{raised} is above {first}");
    assert_eq!(raised.number, 1, "numbers of a fence begin with 1");
    // `old` has not read that entry.
    old.append(&["too late", "too late as well"]);
    // Under the right fence, but `old` has not taken the event: it would be behind a hole.
    old.engine.append(raised.fence, &[bytes(b"after a hole")]).expect("little waits");
    old.wait(rig, "the appends are dropped", |it| !it.dropped.is_empty());
    assert_eq!(old.dropped, [Rejection::Fenced]);
    old.wait_for(rig, 2);
    old.append(&["in time"]);
    new.append(&["too"]);
    for user in [&mut old, &mut new] {
        user.wait_for(rig, 4);
        assert_eq!(user.positions()[1..].iter().map(|it| it.number).collect::<Vec<_>>(), [1, 2, 3]);
    }
    assert_eq!(old.entries, new.entries);
}

fn no_creation(rig: &mut dyn Rig) {
    let mut user = User::reading(rig);
    user.engine.append(0, &[bytes(b"x")]).expect("nothing waits");
    user.wait(rig, "the append is dropped", |it| !it.dropped.is_empty());
    assert_eq!(user.dropped, [Rejection::Gone]);
    user.engine.begin_log(&bytes(b"birth")).expect("nothing waits");
    user.wait_for(rig, 1);
    assert_eq!(user.texts(), ["birth"]);
}

fn erased(rig: &mut dyn Rig) {
    let mut user = User::with_log(rig);
    user.append(&["a", "b"]);
    user.wait_for(rig, 3);
    let fence = user.positions()[2].fence;
    if !rig.erase() {
        return;
    }
    user.ends.clear();
    user.ups.clear();
    user.wait(rig, "the ends are empty", |it| {
        it.ends.iter().chain(&it.ups).any(|ends| ends.last.is_none())
    });
    user.append(&["lost"]);
    user.wait(rig, "the append is dropped", |it| !it.dropped.is_empty());
    assert_eq!(user.dropped, [Rejection::Gone], "an append never creates the log again");
    // Fences are times.
    rig.pass();
    user.engine.begin_log(&bytes(b"reborn")).expect("nothing waits");
    user.entries.clear();
    user.engine.read_from(Position::ZERO);
    user.wait_for(rig, 1);
    assert_eq!(user.texts(), ["reborn"]);
    if user.engine.capabilities().has_fences {
        assert!(user.positions()[0].fence > fence, "a fence is no count from 1");
    }
}

fn trimmed(rig: &mut dyn Rig) {
    let mut user = User::with_log(rig);
    if user.engine.capabilities().trimming != Trimming::Exact {
        return;
    }
    user.append(&["a", "b", "c"]);
    user.wait_for(rig, 4);
    let positions = user.positions();
    // Nothing is before these.
    user.engine.trim(Position::ZERO);
    user.engine.trim(positions[0]);
    user.ends.clear();
    user.wait(rig, "the ends are told", |it| it.ends.len() > 2);
    let ends = user.ends.last().expect("they were told");
    assert_eq!((ends.first, ends.last), (Some(positions[0]), Some(positions[3])));
    user.engine.trim(positions[2]);
    user.engine.trim(positions[1]);
    user.wait(rig, "the first entries are gone", |it| {
        it.ends.last().is_some_and(|ends| ends.first == Some(positions[2]))
    });
    let mut other = User::new(rig);
    other.engine.read_from(positions[0]);
    other.wait_for(rig, 2);
    assert_eq!(other.entries, user.entries[2..], "the numbers of the rest stay as they were");
    user.append(&["d"]);
    other.wait_for(rig, 3);
    assert_eq!(other.positions()[2].number, positions[3].number + 1);
}

fn cut(rig: &mut dyn Rig) {
    let mut user = User::with_log(rig);
    user.append(&["before"]);
    user.wait_for(rig, 2);
    if !rig.cut() {
        return;
    }
    let mut sent = 0_usize;
    user.wait(rig, "the engine is up again", |it| it.ups.len() > 1);
    for _ in 0..rig.patience() {
        if !user.dropped.is_empty() {
            break;
        }
        user.append(&[&sent.to_string()]);
        sent += 1;
        rig.pass();
        user.take_all();
        // Not every driver notices a cut before it writes; one that lost nothing need not tell.
        let read = user.texts().len() - 2;
        if read == sent && sent > 20 {
            break;
        }
    }
    user.append(&["after"]);
    user.wait(rig, "the last append is read", |it| it.texts().contains(&"after".into()));
    let texts = user.texts();
    let between = &texts[2..texts.len() - 1];
    let numbers: Vec<usize> = between.iter().filter_map(|it| it.parse().ok()).collect();
    assert!(numbers.len() <= sent, "no more than was sent: {numbers:?}");
    assert!(numbers.iter().copied().eq(0..numbers.len()), "none from one on: {numbers:?}");
    if numbers.len() < sent {
        assert!(!user.dropped.is_empty(), "what is missing was told");
    }
}

/// An owner that looks only when it was woken gets entries, and not just together with the next ends.
fn wake(rig: &mut dyn Rig) {
    const ENTRIES: usize = 20;
    let mut user = User::with_log(rig);
    let mut other = User::reading(rig);
    other.wait_for(rig, 1);
    user.take_all();
    user.ends.clear();
    for read in 2..=1 + ENTRIES {
        let mut seen = user.wakes();
        user.take_all();
        other.append(&["a"]);
        for _ in 0..rig.patience() {
            if user.wakes() > seen {
                seen = user.wakes();
                user.take_all();
            }
            if user.entries.len() == read || rig.is_immediate() {
                break;
            }
            rig.pass();
        }
        assert_eq!(user.entries.len(), read, "an entry of another node wakes");
    }
    if !rig.is_immediate() {
        assert!(user.ends.len() < ENTRIES, "ends wake, and entries wait for them");
    }
}

fn many(rig: &mut dyn Rig) {
    const BATCHES: usize = 200;
    const BATCH: usize = 50;
    let mut user = User::with_log(rig);
    let fence = user.positions()[0].fence;
    let mut sent = 0_u64;
    while sent < (BATCHES * BATCH) as u64 {
        let texts = (sent..sent + BATCH as u64).map(|it| bytes(&it.to_be_bytes()));
        let batch: Vec<Arc<[u8]>> = texts.collect();
        match user.engine.append(fence, &batch) {
            Ok(()) => sent += BATCH as u64,
            Err(_full) => rig.pass(),
        }
        user.take_all();
    }
    user.wait_for(rig, 1 + BATCHES * BATCH);
    assert_dense(&user, 1);
    for (wanted, (_, entry)) in (0_u64..).zip(&user.entries[1..]) {
        assert_eq!(*entry, wanted.to_be_bytes(), "in the order of appends");
    }
}

fn assert_dense(user: &User, first: u64) {
    let fence = user.entries[0].0.fence;
    for (number, (position, _)) in (first..).zip(&user.entries) {
        assert_eq!(*position, Position::new(fence, number), "positions are dense");
    }
}
