//! The outbox: order, lengths and memory under every kind of stall.

use proptest::prelude::*;
use sockeye_reactor::properties::{Step, Throttled, outbox_keeps_order};
use sockeye_reactor::{Flushed, Outbox, Pool, Shared};

fn step() -> impl Strategy<Value = Step> {
    let bytes = |len_max| prop::collection::vec(any::<u8>(), 0..len_max);
    prop_oneof![
        bytes(300).prop_map(Step::Append),
        bytes(300).prop_map(Step::Share),
        bytes(3000).prop_map(Step::Share),
        (0usize..2000).prop_map(Step::Flush),
    ]
}

proptest! {
    #[test]
    fn order_is_kept(steps in prop::collection::vec(step(), 0..200), gulp in 0usize..40) {
        outbox_keeps_order(&steps, gulp);
    }
}

#[test]
fn more_segments_than_one_write_takes() {
    let steps: Vec<Step> = (0..500u16).map(|n| Step::Share(n.to_be_bytes().repeat(512))).collect();
    outbox_keeps_order(&steps, 0);
    outbox_keeps_order(&steps, 3);
}

#[test]
fn a_short_write_is_not_tried_again() {
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    outbox.tail(&mut pool).extend_from_slice(b"hello world");
    let mut socket = Throttled { room: 5, ..Throttled::default() };
    assert_eq!(outbox.flush(&mut socket, &mut pool).unwrap(), Flushed::Blocked { bytes: 5 });
    assert_eq!(outbox.len(), 6);
}

#[test]
fn a_lone_shared_segment_goes_out_in_parts() {
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    outbox.push_shared(&Shared::new(b"hello world"), &mut pool);
    let mut socket = Throttled { room: 5, ..Throttled::default() };
    assert_eq!(outbox.flush(&mut socket, &mut pool).unwrap(), Flushed::Blocked { bytes: 5 });
    socket.room = 100;
    assert_eq!(outbox.flush(&mut socket, &mut pool).unwrap(), Flushed::All);
    assert_eq!(socket.taken, b"hello world");
}

#[test]
fn a_lone_message_leads_others_and_is_forgotten_with_them() {
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    let message = Shared::new(b"to many");
    let mut socket = Throttled { room: 100, ..Throttled::default() };
    outbox.push_shared(&message, &mut pool);
    outbox.push_shared(&message, &mut pool);
    outbox.tail(&mut pool).extend_from_slice(b", to one");
    assert_eq!(outbox.flush(&mut socket, &mut pool).unwrap(), Flushed::All);
    assert_eq!(socket.taken, b"to manyto many, to one");
    outbox.push_shared(&message, &mut pool);
    outbox.clear(&mut pool);
    assert!(outbox.is_empty());
}

#[test]
fn an_empty_outbox_is_two_null_pointers_again() {
    assert_eq!(size_of::<Outbox>(), 2 * size_of::<usize>());
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    outbox.tail(&mut pool).extend_from_slice(b"x");
    outbox.push_shared(&Shared::new(b"y"), &mut pool);
    let mut socket = Throttled { room: 10, ..Throttled::default() };
    assert_eq!(outbox.flush(&mut socket, &mut pool).unwrap(), Flushed::All);
    assert!(outbox.is_empty());
    assert_eq!(socket.taken, b"xy");
}

#[test]
fn what_waits_for_a_blocked_socket_keeps_little_more_than_its_own_memory() {
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    outbox.tail(&mut pool).extend_from_slice(&[7; 60_000]);
    let mut socket = Throttled { room: 20_000, ..Throttled::default() };
    assert_eq!(outbox.flush(&mut socket, &mut pool).unwrap(), Flushed::Blocked { bytes: 20_000 });
    assert!(outbox.tail(&mut pool).capacity() >= 60_000, "what was sent is less than what was not");
    socket.room = 30_000;
    assert_eq!(outbox.flush(&mut socket, &mut pool).unwrap(), Flushed::Blocked { bytes: 30_000 });
    assert!(outbox.tail(&mut pool).capacity() <= 20_000, "10,000 bytes are unsent");
    outbox.tail(&mut pool).push(8);
    socket.room = 20_000;
    assert_eq!(outbox.flush(&mut socket, &mut pool).unwrap(), Flushed::All);
    assert_eq!(socket.taken, [&[7; 60_000][..], &[8]].concat());
}

#[test]
fn what_is_left_behind_a_move_gives_spare_memory_back() {
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    outbox.give_back();
    outbox.tail(&mut pool).extend_from_slice(&[[7; 50_000], [8; 50_000]].concat());
    let mut to = Outbox::new();
    outbox.move_to(&mut to, 40_000, &mut pool);
    outbox.give_back();
    assert!(outbox.tail(&mut pool).capacity() >= 100_000, "what has left is less than the rest");
    outbox.move_to(&mut to, 59_000, &mut pool);
    outbox.give_back();
    assert!(outbox.tail(&mut pool).capacity() <= 9_000, "1,000 bytes are left");
    let mut socket = Throttled { room: 100_000, ..Throttled::default() };
    for from in [&mut to, &mut outbox] {
        assert_eq!(from.flush(&mut socket, &mut pool).unwrap(), Flushed::All);
    }
    assert_eq!(socket.taken, [[7; 50_000], [8; 50_000]].concat());
}

#[test]
fn a_slow_stream_does_not_grow_its_tail_for_ever() {
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    let mut socket = Throttled::default();
    outbox.tail(&mut pool).extend_from_slice(&[0; 1000]);
    for _ in 0..10_000 {
        outbox.tail(&mut pool).extend_from_slice(&[1; 1000]);
        socket.room = 1000;
        outbox.flush(&mut socket, &mut pool).unwrap();
        socket.taken.clear();
    }
    assert_eq!(outbox.len(), 1000);
    assert!(outbox.tail(&mut pool).capacity() < 1 << 20, "ten megabytes went through");
}

fn moved() -> impl Strategy<Value = Vec<(Step, usize)>> {
    prop::collection::vec((step(), 0usize..4_000), 0..100)
}

proptest! {
    /// Bytes that are moved piece by piece through another outbox keep their order, and none is lost.
    #[test]
    fn moved_bytes_keep_their_order(steps in moved()) {
        let (mut from, mut to, mut pool) = (Outbox::new(), Outbox::new(), Pool::new());
        let mut expected = Vec::new();
        let mut socket = Throttled { room: usize::MAX, ..Throttled::default() };
        for (step, bytes) in steps {
            match step {
                Step::Append(bytes) => {
                    from.tail(&mut pool).extend_from_slice(&bytes);
                    expected.extend(bytes);
                }
                Step::Share(bytes) => {
                    from.push_shared(&Shared::new(&bytes), &mut pool);
                    expected.extend(bytes);
                }
                Step::Flush(room) => {
                    socket.room = room;
                    to.flush(&mut socket, &mut pool).expect("it does not fail");
                }
            }
            let (before, there) = (from.len(), to.len());
            from.move_to(&mut to, bytes, &mut pool);
            let moved = bytes.min(before);
            prop_assert_eq!((from.len(), to.len()), (before - moved, there + moved));
        }
        from.move_to(&mut to, usize::MAX, &mut pool);
        prop_assert!(from.is_empty());
        socket.room = usize::MAX;
        prop_assert_eq!(to.flush(&mut socket, &mut pool).expect("it does not fail"), Flushed::All);
        prop_assert_eq!(socket.taken, expected);
    }
}

/// A part of a long shared message is a reference: a queue of them takes no memory of that length.
#[test]
fn a_part_of_a_shared_message_is_no_copy() {
    let (mut from, mut to, mut pool) = (Outbox::new(), Outbox::new(), Pool::new());
    let message = Shared::new(&[7; 100_000]);
    from.push_shared(&message, &mut pool);
    for _ in 0..5 {
        from.move_to(&mut to, 16_384, &mut pool);
    }
    to.clear(&mut pool);
    let kept = format!("{pool:?}");
    let bytes = kept.split("bytes: ").nth(1).and_then(|rest| rest.split(',').next());
    assert!(bytes.and_then(|it| it.parse::<usize>().ok()).is_some_and(|it| it < 2_000), "{kept}");
}
