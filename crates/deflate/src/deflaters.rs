//! The deflaters of an engine: one for each window size, which all sessions share, and some that one session each has for
//! itself.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::deflater::Deflater;
use crate::{EngineConfig, WindowBits};

/// A session takes over another one's deflater if that has been idle for so many times as long as the session itself, counted
/// in messages of the engine.
const IDLE_TIMES: u64 = 8;

/// The deflaters of an engine.
#[derive(Default)]
pub(crate) struct Deflaters {
    /// By window size, from 8 bits.
    shared: [Option<Box<Kept>>; 8],
    own: Vec<Kept>,
    /// Which of `own` was looked at last, when a session wanted one.
    hand: u16,
    /// The number of the latest message.
    message: u64,
}

/// A deflater, and the number of the message that it had last.
struct Kept {
    deflater: Deflater,
    bits: WindowBits,
    message: u64,
}

/// Which deflater had a session's latest message, and that message's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    slot: Slot,
    message: u64,
    /// The deflater had messages of others between the session's last two.
    was_in_turn: bool,
    /// The session's window ends with that message.
    is_current: bool,
}

impl Place {
    /// Notes that the session's window does not end with this message: it was sent uncompressed, or another one followed.
    pub(crate) const fn outdate(&mut self) {
        self.is_current = false;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Shared,
    Own(u16),
}

/// A deflater for one message.
pub(crate) struct Lent<'d> {
    pub(crate) deflater: &'d mut Deflater,
    /// It stands at the end of the session's window.
    pub(crate) is_warm: bool,
    /// Which deflater compresses this message.
    pub(crate) place: Place,
}

impl Deflaters {
    /// Lends a deflater for a message of the session whose latest one was at `place`.
    ///
    /// A session gets one of its own when twice in a row its deflater has served others since its last message. So a
    /// session that has the engine for itself takes none, and neither do sessions that send many messages at a time: for
    /// them the shared one, which is in the processor's cache, is faster. A session that has one keeps it, however it sends.
    pub(crate) fn lend(
        &mut self,
        config: &EngineConfig,
        bits: WindowBits,
        place: Option<Place>,
    ) -> Lent<'_> {
        let is_untouched =
            place.is_some_and(|place| self.latest(bits, place.slot) == Some(place.message));
        let slot = match place {
            Some(place) if is_untouched => place.slot,
            Some(Place { was_in_turn: true, message, .. }) => self.free_slot(config, bits, message),
            Some(_) | None => Slot::Shared,
        };
        self.message = self.message.wrapping_add(1);
        let message = self.message;
        let kept = match slot {
            Slot::Own(at) => self.own.get_mut(usize::from(at)).expect("a slot that was found"),
            Slot::Shared => {
                let shared = self.shared.get_mut(index(bits)).expect("one slot for each size");
                shared.get_or_insert_with(|| Box::new(Kept::new(config, bits)))
            }
        };
        kept.message = message;
        let was_in_turn = place.is_some() && !is_untouched;
        let is_warm = is_untouched && place.is_some_and(|place| place.is_current);
        let place = Place { slot, message, was_in_turn, is_current: true };
        Lent { deflater: &mut kept.deflater, is_warm, place }
    }

    /// The number of the message that a deflater had last.
    fn latest(&self, bits: WindowBits, slot: Slot) -> Option<u64> {
        match slot {
            Slot::Own(at) => self.own.get(usize::from(at)).map(|kept| kept.message),
            Slot::Shared => self.shared.get(index(bits))?.as_ref().map(|kept| kept.message),
        }
    }

    /// A deflater for the session whose last message had that number: one that no session has, or that has been idle for
    /// long, or else the shared one. Each call looks at one, so the work does not grow with their number.
    ///
    /// In a crowd larger than the bound, the sessions that have a deflater so keep it.
    fn free_slot(&mut self, config: &EngineConfig, bits: WindowBits, last: u64) -> Slot {
        let count = u16::try_from(self.own.len()).expect("no more than `own_deflaters_max`");
        if count < config.own_deflaters_max {
            self.own.push(Kept::new(config, bits));
            return Slot::Own(count);
        }
        self.hand = self.hand.wrapping_add(1).checked_rem(count).unwrap_or(0);
        let waited = self.message.wrapping_sub(last).max(u64::from(count));
        let idle = IDLE_TIMES.saturating_mul(waited);
        match self.own.get_mut(usize::from(self.hand)) {
            Some(kept) if self.message.wrapping_sub(kept.message) >= idle => {
                if kept.bits != bits {
                    *kept = Kept::new(config, bits);
                }
                Slot::Own(self.hand)
            }
            _ => Slot::Shared,
        }
    }
}

impl Kept {
    fn new(config: &EngineConfig, bits: WindowBits) -> Self {
        Self { deflater: Deflater::new(bits, config.level.to_u8()), bits, message: 0 }
    }
}

fn index(bits: WindowBits) -> usize {
    usize::from(bits.to_u8().saturating_sub(WindowBits::MIN.to_u8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BITS: WindowBits = WindowBits::MAX;

    fn config(own_deflaters_max: u16) -> EngineConfig {
        EngineConfig { own_deflaters_max, ..EngineConfig::default() }
    }

    /// A session's next message. Says whether it needs no priming.
    fn send(deflaters: &mut Deflaters, own_max: u16, session: &mut Option<Place>) -> bool {
        let lent = deflaters.lend(&config(own_max), BITS, *session);
        *session = Some(lent.place);
        lent.is_warm
    }

    #[test]
    fn sessions_in_turn_get_their_own_up_to_the_bound() {
        let mut deflaters = Deflaters::default();
        let mut sessions = [None; 5];
        for round in 0..50 {
            for (n, session) in sessions.iter_mut().enumerate() {
                let is_warm = send(&mut deflaters, 3, session);
                assert_eq!(is_warm, round > 2 && n < 3, "round {round}, session {n}");
            }
        }
        assert_eq!(deflaters.own.len(), 3);
    }

    #[test]
    fn in_a_crowd_those_that_have_one_keep_it() {
        let mut deflaters = Deflaters::default();
        let mut sessions = [None; 300];
        for round in 0..50 {
            let warm =
                sessions.iter_mut().filter_map(|it| send(&mut deflaters, 5, it).then_some(()));
            assert_eq!(warm.count(), if round > 2 { 5 } else { 0 }, "round {round}");
        }
    }

    #[test]
    fn sessions_with_many_messages_at_a_time_take_none() {
        let mut deflaters = Deflaters::default();
        let mut sessions = [None; 5];
        for round in 0..20 {
            for session in &mut sessions {
                assert!(!send(&mut deflaters, 3, session), "round {round}");
                assert!(send(&mut deflaters, 3, session));
            }
        }
        assert_eq!(deflaters.own.len(), 0);
    }

    #[test]
    fn a_session_alone_takes_none() {
        let mut deflaters = Deflaters::default();
        let mut session = None;
        for round in 0..50 {
            assert_eq!(send(&mut deflaters, 3, &mut session), round > 0);
        }
        // And one message takes none.
        for _ in 0..50 {
            send(&mut deflaters, 3, &mut None);
        }
        assert_eq!(deflaters.own.len(), 0);
    }

    #[test]
    fn without_own_ones_all_share() {
        let mut deflaters = Deflaters::default();
        let mut sessions = [None; 2];
        for _ in 0..50 {
            for session in &mut sessions {
                assert!(!send(&mut deflaters, 0, session));
            }
        }
        assert_eq!(deflaters.own.len(), 0);
    }

    #[test]
    fn one_that_is_idle_for_long_goes_to_another_session() {
        let mut deflaters = Deflaters::default();
        let (mut gone, mut busy) = (None, [None; 3]);
        for _ in 0..2 {
            send(&mut deflaters, 1, &mut gone);
            send(&mut deflaters, 1, &mut busy[0]);
        }
        send(&mut deflaters, 1, &mut gone);
        let mut rounds = 0;
        while deflaters.latest(BITS, Slot::Own(0)) == gone.map(|place| place.message) {
            busy.iter_mut().for_each(|session| _ = send(&mut deflaters, 1, session));
            rounds += 1;
        }
        assert_eq!(rounds, 6, "16 messages: each of the others waits for 2");
        assert!(!send(&mut deflaters, 1, &mut gone), "its past is not there any more");
    }

    /// Sessions may have windows of different sizes.
    #[test]
    fn a_deflater_fits_the_window_of_its_session() {
        let mut deflaters = Deflaters::default();
        for bits in [9, 15, 12] {
            let bits = WindowBits::new(bits).expect("8 to 15");
            // The sessions of the size before are gone.
            let mut sessions = [None; 3];
            for _ in 0..20 {
                for session in &mut sessions {
                    *session = Some(deflaters.lend(&config(2), bits, *session).place);
                }
            }
            let own: Vec<_> = sessions.iter().flatten().map(|place| place.slot).collect();
            assert!(own.contains(&Slot::Own(0)) && own.contains(&Slot::Own(1)), "{own:?}");
            assert!(deflaters.own.iter().all(|kept| kept.bits == bits));
        }
    }
}
