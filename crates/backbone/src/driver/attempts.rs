//! Pauses between attempts to reach a server.

use core::time::Duration;

use crate::{State, Trouble, TroubleKind};

/// Pauses between attempts: growing, and the one for a server that refuses.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
const PAUSE_REFUSED: Duration = Duration::from_secs(5);

/// The attempts of a driver to reach its server.
#[derive(Debug)]
pub struct Attempts {
    pause: Duration,
    told: Option<State>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { pause: PAUSE_MIN, told: None }
    }
}

impl Attempts {
    /// The server was up: pauses are short again, and each trouble is news.
    pub fn note_up(&mut self) {
        *self = Self::default();
    }

    /// An attempt, or the session that followed it, ended with this trouble. Returns the state of the engine if the owner
    /// was not told it before, and the pause before the next attempt.
    ///
    /// The pause is between a half and all of its length, by a `random` number: nodes that lost the server together do not
    /// come back together.
    pub fn note_trouble(&mut self, trouble: Trouble, random: u64) -> (Option<State>, Duration) {
        let (state, pause) = match trouble.kind {
            TroubleKind::Login | TroubleKind::Settings | TroubleKind::Version => {
                (State::Refused(trouble), PAUSE_REFUSED)
            }
            TroubleKind::Unreachable
            | TroubleKind::NoLeader
            | TroubleKind::Full
            | TroubleKind::Protocol => {
                let pause = self.pause;
                self.pause = (pause * 2).min(PAUSE_MAX);
                (State::Away(trouble), pause)
            }
        };
        let part = 512 + u32::try_from(random % 512).expect("below 512");
        let is_news = self.told.as_ref() != Some(&state);
        self.told = Some(state.clone());
        (Some(state).filter(|_| is_news), pause / 1024 * part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: TroubleKind) -> Trouble {
        Trouble::new(kind, "it is away")
    }

    #[test]
    fn pauses_grow_to_a_bound_and_are_short_again_once_it_was_up() {
        let mut attempts = Attempts::default();
        for half in [25, 50, 100, 200, 400, 800, 1_000, 1_000].map(Duration::from_millis) {
            let (_, pause) = attempts.note_trouble(trouble(TroubleKind::Unreachable), 0);
            assert!(
                half - Duration::from_millis(1) < pause && pause <= half,
                "{pause:?}, not {half:?}"
            );
        }
        attempts.note_up();
        let (_, longest) = attempts.note_trouble(trouble(TroubleKind::Full), u64::MAX);
        assert!(longest <= PAUSE_MIN && longest > PAUSE_MIN * 99 / 100, "{longest:?}");
        let (_, refused) = attempts.note_trouble(trouble(TroubleKind::Login), 0);
        assert!(refused <= PAUSE_REFUSED / 2 && refused > PAUSE_MAX, "{refused:?}");
    }

    #[test]
    fn pauses_differ_within_their_bounds() {
        let mut attempts = Attempts::default();
        let mut pause = |random| attempts.note_trouble(trouble(TroubleKind::Unreachable), random).1;
        (0..8).for_each(|_| _ = pause(0));
        let pauses: Vec<Duration> = (0..100).map(|number| pause(number * 7)).collect();
        let bounds = PAUSE_MAX / 2 - Duration::from_millis(1)..=PAUSE_MAX;
        assert!(pauses.iter().all(|pause| bounds.contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[test]
    fn a_trouble_like_the_one_before_is_no_news() {
        let mut attempts = Attempts::default();
        let mut is_news = |kind| attempts.note_trouble(trouble(kind), 0).0.is_some();
        assert!(is_news(TroubleKind::Unreachable) && !is_news(TroubleKind::Unreachable));
        assert!(is_news(TroubleKind::Settings) && !is_news(TroubleKind::Settings));
        assert!(is_news(TroubleKind::Unreachable));
        attempts.note_up();
        assert!(attempts.note_trouble(trouble(TroubleKind::Unreachable), 0).0.is_some());
    }
}
