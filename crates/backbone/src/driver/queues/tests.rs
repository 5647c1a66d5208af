//! Tests of the queues.

use super::*;

/// A job of this number of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bytes(usize);

impl Job for Bytes {
    fn bytes(&self) -> usize {
        self.0
    }
}

fn queues() -> Queues<Bytes, &'static str> {
    Queues::new(QueueLimits {
        append_entries_max: 3,
        append_bytes_max: 100,
        event_entries_max: 4,
        event_bytes_max: 50,
    })
}

fn append(queues: &Queues<Bytes, &'static str>, bytes: &[usize]) -> Result<(), Full> {
    queues.append(bytes.iter().map(|bytes| Bytes(*bytes)), 60)
}

fn taken(queues: &Queues<Bytes, &'static str>) -> Vec<Told<&'static str>> {
    let mut taken = VecDeque::new();
    queues.take_events(&mut taken);
    taken.into()
}

fn at(number: u64) -> Position {
    Position::new(0, number)
}

fn entries(numbers: impl IntoIterator<Item = u64>) -> Vec<(Position, Arc<[u8]>)> {
    numbers.into_iter().map(|number| (at(number), [0; 10].into())).collect()
}

fn ends(identity: u64, last: u64) -> LogEnds {
    LogEnds { identity, first: Some(at(1)), last: Some(at(last)) }
}

#[test]
fn appends_are_taken_all_or_none_within_their_bounds() {
    let queues = queues();
    assert_eq!(append(&queues, &[1, 2]), Ok(()));
    assert_eq!(append(&queues, &[1, 1]), Err(Full), "four entries");
    assert_eq!(append(&queues, &[60]), Ok(()));
    assert_eq!(queues.take_job_if(|job| job.0 == 2), None, "it is not the next one");
    assert_eq!(queues.take_job_if(|_| true), Some(Bytes(1)));
    assert_eq!(append(&queues, &[39]), Err(Full), "101 bytes");
    assert_eq!(append(&queues, &[38]), Ok(()));
}

#[test]
fn a_failure_is_told_once_and_drops_until_the_owner_knows() {
    let queues = queues();
    append(&queues, &[1, 2]).expect("there is room");
    assert_eq!(append(&queues, &[61]), Ok(()));
    assert_eq!(append(&queues, &[1, 1, 1, 1, 1]), Ok(()), "it is dropped");
    queues.reject(Rejection::Gone);
    assert_eq!(taken(&queues), [Told::Event(Event::Dropped(Rejection::TooLarge))]);
    assert_eq!(queues.take_job_if(|_| true), None);
    queues.end_dropping();
    append(&queues, &[7]).expect("there is room");
    assert_eq!(queues.take_job_if(|_| true), Some(Bytes(7)));
}

#[test]
fn the_end_of_a_session_drops_what_the_owner_cannot_be_sure_of() {
    let is_told = |prepare: fn(&Queues<Bytes, &'static str>)| {
        let queues = queues();
        prepare(&queues);
        queues.end_session();
        taken(&queues).contains(&Told::Event(Event::Dropped(Rejection::Away)))
    };
    assert!(!is_told(|_| {}), "nothing was appended");
    assert!(is_told(|it| append(it, &[1]).expect("there is room")), "it waits");
    let in_flight = |it: &Queues<Bytes, _>| {
        append(it, &[1]).expect("there is room");
        it.take_job_if(|_| true);
    };
    assert!(is_told(in_flight));
    assert!(is_told(|it| it.settle(1, Some(at(5)))), "it was taken, and not read");
    let read = |it: &Queues<Bytes, _>| {
        it.read_from(at(1), &mut VecDeque::new());
        it.settle(1, Some(at(2)));
        it.give(1, &mut entries([1, 2]), None);
    };
    assert!(!is_told(read));
}

#[test]
fn ends_go_behind_the_entry_that_was_the_last_one() {
    let queues = queues();
    queues.read_from(at(1), &mut VecDeque::new());
    queues.give(1, &mut entries(1..4), Some(ends(7, 2)));
    let numbers = taken(&queues).into_iter().map(|told| match told {
        Told::Event(Event::Entry(at, _)) => at.number,
        Told::Event(Event::Ends(ends)) => ends.identity,
        told => panic!("{told:?}"),
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 7, 3]);
}

#[test]
fn a_reader_has_turns_and_what_it_read_for_another_place_is_dropped() {
    let queues = queues();
    assert_eq!(queues.turn(0), Turn::Idle);
    queues.read_from(at(9), &mut VecDeque::new());
    assert_eq!(queues.turn(0), Turn::Anew(at(9), 1));
    assert_eq!(queues.turn(1), Turn::On);
    queues.give(1, &mut entries(9..14), None);
    assert_eq!(queues.turn(1), Turn::Idle, "the owner has taken nothing");
    let mut taken = VecDeque::from([Told::Event(Event::Ends(ends(1, 1))), Told::Mark("kept")]);
    queues.read_from(at(3), &mut taken);
    assert_eq!(taken, [Told::Mark("kept")]);
    queues.give(1, &mut entries(14..15), None);
    assert_eq!(self::taken(&queues), [], "it is of the generation before");
}

#[test]
fn states_replace_each_other_and_marks_stay_between() {
    let queues = queues();
    let up = |identity| Event::State(State::Up(ends(identity, 1)));
    queues.tell(up(1));
    queues.tell(up(2));
    queues.mark("two");
    queues.tell(up(3));
    assert_eq!(taken(&queues), [Told::Event(up(2)), Told::Mark("two"), Told::Event(up(3))]);
}

#[test]
fn a_trim_is_one_of_the_log_that_the_owner_knew_of() {
    let queues = queues();
    queues.tell(Event::State(State::Up(ends(1, 9))));
    queues.trim(at(5));
    queues.trim(at(4));
    assert_eq!(queues.take_trim(), Some(Trim { identity: 1, before: at(5) }));
    assert_eq!(queues.take_trim(), None);
    queues.trim(at(6));
    queues.tell(Event::State(State::Up(ends(2, 9))));
    queues.trim(at(2));
    assert_eq!(queues.take_trim(), Some(Trim { identity: 2, before: at(2) }));
}

#[test]
fn an_owner_is_woken_once_for_all_that_it_takes() {
    let queues = queues();
    let wakes = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    queues.tell(Event::Replicated(at(1)));
    queues.set_wake(Arc::new(move || _ = counter.fetch_add(1, Ordering::Relaxed)));
    queues.tell(Event::Replicated(at(2)));
    assert_eq!(wakes.load(Ordering::Relaxed), 1, "events may have come before");
    assert_eq!(taken(&queues), [Told::Event(Event::Replicated(at(2)))], "the newest counts");
    queues.tell(Event::Replicated(at(3)));
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
}
