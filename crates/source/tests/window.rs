//! The window beside a naive model: one message of a channel in flight, in the order of the pushes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sockeye_source::{Ticket, Window, WindowLimits};

#[derive(Clone, Debug)]
enum Step {
    Push(u8, u8),
    Next,
    Settle(usize),
    PutBack(usize),
    DropWaiting,
    Acknowledge(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_u8, 0..4_u8).prop_map(|(id, channel)| Step::Push(id, channel)),
        4 => Just(Step::Next),
        3 => (0..8_usize).prop_map(Step::Settle),
        1 => (0..8_usize).prop_map(Step::PutBack),
        1 => Just(Step::DropWaiting),
        2 => (0..4_usize).prop_map(Step::Acknowledge),
    ]
}

/// What a message is, without any index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Waiting,
    InFlight(Ticket),
    Owed,
}

/// Messages in the order of their pushes: name, channel, state.
#[derive(Default)]
struct Model(Vec<(u8, u8, Is)>);

impl Model {
    /// The message that may be offered next: the first one whose channel has nothing unsettled before it.
    fn next(&self) -> Option<usize> {
        let mut busy = BTreeSet::new();
        for (at, (_, channel, is)) in self.0.iter().enumerate() {
            if *is != Is::Owed && busy.insert(*channel) && *is == Is::Waiting {
                return Some(at);
            }
        }
        None
    }

    fn in_flight(&self) -> Vec<Ticket> {
        let tickets = self.0.iter().filter_map(|(_, _, is)| match is {
            Is::InFlight(ticket) => Some(*ticket),
            Is::Waiting | Is::Owed => None,
        });
        tickets.collect()
    }

    fn become_(&mut self, ticket: Ticket, now: Is) {
        let found = self.0.iter_mut().find(|(_, _, is)| *is == Is::InFlight(ticket));
        found.expect("it is in flight").2 = now;
    }
}

fn nth(tickets: &[Ticket], at: usize) -> Option<Ticket> {
    (!tickets.is_empty()).then(|| tickets[at % tickets.len()])
}

fn take(window: &mut Window<u8>, model: &mut Model, step: &Step) {
    match *step {
        Step::Push(id, channel) => {
            window.push(id.to_string().into(), &channel.to_string(), 10, id);
            if !model.0.iter().any(|(known, ..)| *known == id) {
                model.0.push((id, channel, Is::Waiting));
            }
        }
        Step::Next => match (window.take_next(), model.next()) {
            (Some((ticket, message)), Some(at)) => {
                assert_eq!(*message, model.0[at].0);
                model.0[at].2 = Is::InFlight(ticket);
            }
            (None, None) => {}
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        },
        Step::Settle(at) => {
            if let Some(ticket) = nth(&model.in_flight(), at) {
                window.settle(ticket);
                // An answer that comes twice changes nothing.
                window.settle(ticket);
                model.become_(ticket, Is::Owed);
            }
        }
        Step::PutBack(at) => {
            if let Some(ticket) = nth(&model.in_flight(), at) {
                window.put_back(ticket);
                model.become_(ticket, Is::Waiting);
            }
        }
        Step::DropWaiting => {
            window.drop_waiting();
            model.0.retain(|(_, _, is)| *is != Is::Waiting);
        }
        Step::Acknowledge(count) => {
            let owed = window.owed(count);
            window.acknowledged(owed.len());
            for id in owed {
                let is_it = |it: &(u8, u8, Is)| it.0.to_string() == *id && it.2 == Is::Owed;
                let at = model.0.iter().position(is_it).expect("what is owed was settled");
                model.0.remove(at);
            }
        }
    }
}

proptest! {
    #[test]
    fn it_is_what_the_model_is(steps in proptest::collection::vec(step(), 0..200)) {
        let limits = WindowLimits { entries_max: 1_000, bytes_max: 100_000 };
        let (mut window, mut model) = (Window::new(limits), Model::default());
        for step in &steps {
            take(&mut window, &mut model, step);
            prop_assert_eq!(window.len(), model.0.len());
            prop_assert_eq!(window.in_flight(), model.in_flight().len());
            prop_assert_eq!(window.has_ready(), model.next().is_some());
            let unsettled = model.0.iter().filter(|(_, _, is)| *is != Is::Owed).count();
            prop_assert_eq!(window.room().bytes, 100_000 - 10 * unsettled);
        }
    }
}

#[test]
fn a_message_that_may_not_be_passed_holds_its_channel_alone() {
    let limits = WindowLimits { entries_max: 10, bytes_max: 1_000 };
    let mut window = Window::new(limits);
    for (id, channel) in [("1", "a"), ("2", "a"), ("3", "b")] {
        window.push(id.into(), channel, 1, id);
    }
    let mut offered = BTreeMap::new();
    while let Some((ticket, id)) = window.take_next() {
        offered.insert(*id, ticket);
    }
    assert_eq!(offered.keys().copied().collect::<Vec<_>>(), ["1", "3"]);
    window.bar(offered["1"]);
    window.settle(offered["3"]);
    assert!(window.is_quiet(), "2 waits behind 1");
    window.drop_waiting();
    assert_eq!((window.len(), window.owed(9)), (1, vec!["3".into()]));
}
