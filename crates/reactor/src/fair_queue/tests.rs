//! What a [`FairQueue`] promises, and crowds that tried it.

use core::hash::Hash;

use super::{FairQueue, IDLE_HOLDERS_MAX};

/// Takes an item, which is so many units.
fn serve<H: Copy + Eq + Hash>(queue: &mut FairQueue<H, u64>) -> Option<(H, u64)> {
    let (holder, cost) = queue.take()?;
    queue.done(holder, cost);
    let next = queue.order.first_key_value();
    // A holder that comes back with a credit is behind the virtual time by no more.
    let ends = next.map_or(u64::MAX, |(place, _)| place.0.saturating_add(queue.credit));
    assert!(queue.now <= ends, "the virtual time passes an item that waits");
    Some((holder, cost))
}

/// Takes items until `units` are spent; an item is so many units.
fn work(queue: &mut FairQueue<u8, u64>, units: u64) -> Vec<u8> {
    let (mut spent, mut served) = (0, Vec::new());
    while spent < units {
        let Some((holder, cost)) = serve(queue) else { break };
        spent += cost;
        served.push(holder);
    }
    served
}

#[test]
fn holders_get_equal_units_whatever_an_item_costs() {
    let mut queue = FairQueue::new();
    for _ in 0..1_000 {
        queue.add(1, 10);
        queue.add(2, 100);
        queue.add(3, 1);
    }
    let served = work(&mut queue, 3_000);
    let units = |holder, cost| cost * served.iter().filter(|it| **it == holder).count() as u64;
    for units in [units(1, 10), units(2, 100), units(3, 1)] {
        assert!((900..=1_100).contains(&units), "{units}");
    }
}

#[test]
fn new_holders_with_large_items_do_not_delay_small_ones() {
    let mut queue = FairQueue::new();
    // What such items take on average is known from the first one on.
    queue.add_of_kind(1, 201, 1_000);
    work(&mut queue, 1_000);
    (0..200).for_each(|holder| queue.add_of_kind(1, holder, 1_000));
    for _ in 0..40 {
        queue.add(200, 20);
        assert_eq!(work(&mut queue, 1), [200]);
        // Two newcomers in between.
        assert_eq!(work(&mut queue, 2_000).len(), 2);
    }
}

#[test]
fn a_holder_that_asks_for_little_is_next() {
    let mut queue = FairQueue::new();
    for holder in 0..100 {
        (0..1_000).for_each(|_| queue.add(holder, 50 + u64::from(holder)));
    }
    work(&mut queue, 100_000);
    // Its first item is expected to be as large as those of the others.
    queue.add(200, 20);
    work(&mut queue, 20_000);
    for _ in 0..1_000 {
        queue.add(200, 20);
        assert_eq!(work(&mut queue, 1), [200]);
        // A hundred others get at least twice as much each in between.
        work(&mut queue, 100 * 50);
    }
}

#[test]
fn small_items_do_not_hide_large_ones() {
    let mut queue = FairQueue::new().with_credit(200);
    // Of each, every twelfth item is large, and one with a small item has just been served.
    let round = |queue: &mut FairQueue<u8, u64>, cost| {
        (0..200).for_each(|holder| queue.add(holder, cost));
    };
    for _ in 0..3 {
        round(&mut queue, 1_000);
        (0..11).for_each(|_| round(&mut queue, 5));
        work(&mut queue, 200 * 1_055);
    }
    for _ in 0..40 {
        round(&mut queue, 1_000);
        queue.add(200, 20);
        work(&mut queue, 20_000);
        queue.add(200, 20);
        // At the most the item under way was before it.
        assert_eq!(work(&mut queue, 1), [200]);
        (0..11).for_each(|_| round(&mut queue, 5));
        work(&mut queue, 200 * 1_055);
    }
}

/// Serves a holder that asks for four items of 20 units, then a hundred others with 100 units each.
/// Returns how many of the last 40 bursts' items were next.
fn bursts(queue: &mut FairQueue<u8, u64>) -> usize {
    for holder in 0..100 {
        (0..10_000).for_each(|_| queue.add(holder, 10));
    }
    work(queue, 100_000);
    let mut next = 0;
    for burst in 0..50 {
        for _ in 0..4 {
            queue.add(200, 20);
            let is_next = work(queue, 1) == [200];
            next += usize::from(burst >= 10 && is_next);
        }
        work(queue, 100 * 100);
    }
    next
}

#[test]
fn a_holder_that_has_got_less_than_its_part_has_a_credit() {
    assert_eq!(bursts(&mut FairQueue::new().with_credit(100)), 160);
    assert!(bursts(&mut FairQueue::new()) < 80);
}

#[test]
fn a_credit_is_bounded_and_none_for_those_who_have_just_come() {
    let mut queue = FairQueue::new().with_credit(100);
    for holder in 0..100 {
        (0..1_000).for_each(|_| queue.add(holder, 50));
    }
    (0..100).for_each(|_| queue.add(200, 20));
    let next = |queue: &mut FairQueue<u8, u64>| {
        let served = work(queue, 2_000);
        served.iter().take_while(|it| **it == 200).count()
    };
    assert!(next(&mut queue) <= 1);
    work(&mut queue, 1_000_000);
    assert_eq!(queue.cancel(&200), None, "it has had its part");
    // However long it stays away: it is forgotten, or has its credit at the most.
    for away in [10, 100, 1_000] {
        queue.add(200, 20);
        work(&mut queue, 100 * away);
        (0..100).for_each(|_| queue.add(200, 20));
        // Until its item is expected to end behind those of the others, of 50 units.
        assert!(next(&mut queue) <= (100 + 50) / 20 + 2);
        work(&mut queue, 1_000_000);
    }
}

#[test]
fn work_is_billed_to_a_holder_that_comes_back() {
    let mut queue = FairQueue::new();
    queue.add(1, 1_000);
    queue.add(2, 10);
    assert_eq!(work(&mut queue, 1_000), [1]);
    queue.add(1, 1_000);
    (0..100).for_each(|_| queue.add(2, 10));
    let served = work(&mut queue, 2_000);
    let at = served.iter().position(|it| *it == 1).expect("it is served");
    assert!((99..=101).contains(&at), "after {at} items of the other");
}

#[test]
fn what_holders_have_got_counts_no_more_once_no_item_waits() {
    let mut queue = FairQueue::new();
    queue.add(1, 10_000);
    queue.add(2, 10);
    work(&mut queue, 10_010);
    (0..100).for_each(|_| queue.add(2, 10));
    (0..100).for_each(|_| queue.add_of_kind(1, 1, 10));
    let served = work(&mut queue, 1_000);
    assert_eq!(served.iter().filter(|it| **it == 1).count(), 50);
}

#[test]
fn new_holders_without_end_do_not_starve_a_known_one() {
    let mut queue = FairQueue::new();
    queue.add(0_u64, 20_u64);
    queue.add(1, 1_000);
    let mut served = 0;
    for newcomer in 2..10_000 {
        queue.add(newcomer, 1_000);
        let (holder, cost) = queue.take().expect("some wait");
        if holder == 0 {
            served += 1;
            queue.add(0, 20);
        }
        queue.done(holder, cost);
    }
    assert!(served > 100, "{served}");
}

/// A crowd of 250 that asks for 770 units each, now and then, and a modest holder that asks for 20 units each time
/// that the crowd has got 20,000. Returns what it waits for of larger items, in units.
fn waits(crowd: impl Fn(&mut FairQueue<u32, u64>, u32, u32)) -> Vec<u64> {
    let (mut queue, modest) = (FairQueue::new().with_credit(100), u32::MAX);
    let mut waits = Vec::new();
    for round in 0..40 {
        (0..250).for_each(|holder| crowd(&mut queue, round, holder));
        for _ in 0..10 {
            queue.add(modest, 20);
            let others = core::iter::from_fn(|| serve(&mut queue));
            let before = others.take_while(|(holder, _)| *holder != modest);
            waits.push(before.map(|(_, cost)| cost).filter(|cost| *cost > 20).sum());
            (0..26).for_each(|_| _ = serve(&mut queue));
        }
        // Nobody waits for a while.
        core::iter::from_fn(|| serve(&mut queue)).for_each(drop);
    }
    // In the first round nothing is known of anybody.
    waits.split_off(10)
}

#[test]
fn a_crowd_does_not_delay_a_modest_holder() {
    let waits = waits(|queue, _, holder| queue.add_of_kind(1, holder, 770));
    assert!(waits.iter().all(|units| *units <= 770), "{waits:?}");
}

#[test]
fn a_crowd_whose_items_are_of_two_kinds_does_not_delay_a_modest_holder() {
    let waits = waits(|queue, _, holder| {
        queue.add_of_kind(1, holder, 770);
        queue.add(holder, 20);
    });
    assert!(waits.iter().all(|units| *units <= 2 * 770), "{waits:?}");
}

#[test]
fn a_crowd_with_items_larger_than_expected_does_not_delay_a_modest_holder() {
    // Those of small items come first, and new holders are expected to have such, too.
    let waits = waits(|queue, round, holder| {
        let cost = if holder < 200 { 20 } else { 770 };
        queue.add_of_kind(1, 250 * round + holder, cost);
    });
    assert!(waits.iter().all(|units| *units <= 770), "{waits:?}");
}

#[test]
fn items_of_no_units_say_nothing_about_the_next_one() {
    let mut queue = FairQueue::new().with_credit(100);
    queue.add(1, 900);
    queue.add(2, 20);
    assert_eq!(work(&mut queue, 920), [1, 2]);
    // The average is about 20 now.
    (0..100).for_each(|_| queue.add(2, 20));
    work(&mut queue, 2_000);
    queue.add(1, 0);
    queue.add(3, 0);
    work(&mut queue, 1);
    queue.add(1, 1);
    assert_eq!(queue.take(), Some((1, 1)));
    queue.done_in_vain(1, 1);
    queue.add(1, 900);
    queue.add(2, 20);
    assert_eq!(work(&mut queue, 920), [2, 1]);
}

#[test]
fn an_item_that_is_taken_back_is_not_served() {
    let mut queue = FairQueue::new();
    for (holder, item) in [(1, 'a'), (2, 'b'), (1, 'c')] {
        queue.add(holder, item);
    }
    assert_eq!((queue.cancel(&1), queue.cancel(&3), queue.len()), (Some('c'), None, 2));
    assert_eq!((queue.cancel(&2), queue.cancel(&2)), (Some('b'), None));
    assert_eq!(queue.take(), Some((1, 'a')));
    queue.done(1, 1);
    assert_eq!((queue.take(), queue.len()), (None, 0));
}

#[test]
fn holders_that_come_and_go_are_forgotten() {
    let mut queue = FairQueue::new();
    queue.add(0_u32, 'a');
    for holder in 1..100_000 {
        queue.add(holder, 'b');
        assert_eq!(queue.cancel(&holder), Some('b'));
        assert!(queue.holders.len() <= IDLE_HOLDERS_MAX + 2);
        let filed = queue.order.len() + queue.ahead.len() + queue.idle.len();
        assert_eq!(filed, queue.holders.len());
    }
    assert_eq!((queue.len(), queue.take()), (1, Some((0, 'a'))));
}

#[test]
fn a_crowd_that_was_served_is_forgotten() {
    let mut queue = FairQueue::new();
    (0..10_000_u32).for_each(|holder| queue.add(holder, 1));
    while serve(&mut queue).is_some() {
        // Those with items, and as many more.
        assert!(queue.holders.len() <= IDLE_HOLDERS_MAX + 2 * queue.len() + 1);
    }
}

#[test]
fn one_holder_is_first_in_first_out() {
    let mut queue = FairQueue::new();
    for item in 0..100 {
        queue.add('a', item);
        queue.add('b', item + 1_000);
    }
    assert_eq!(queue.len(), 200);
    let (mut a, mut b) = (0..100, 1_000..1_100);
    while let Some((holder, item)) = queue.take() {
        queue.done(holder, 7);
        assert_eq!(Some(item), if holder == 'a' { a.next() } else { b.next() });
    }
    assert!(queue.is_empty() && a.next().is_none() && b.next().is_none());
    assert!(queue.order.is_empty());
}
