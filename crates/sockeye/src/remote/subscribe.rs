//! `sockeye subscribe`: one subscription over as many connections as it takes.

use std::time::{Duration, Instant};

use super::args::{SubscribeOptions, Transport};
use super::backoff::Backoff;
use super::output::{watch_reader, watch_signals};
use super::polls::Polls;
use super::session::Session;
use super::{Break, Remote, entropy, events, polls, socket};
use crate::Failure;

/// A connection that has held for so long was a good one, even if nothing came.
const STEADY: Duration = Duration::from_secs(2);

/// Prints messages until there are no more to come.
pub(crate) fn run(options: &SubscribeOptions) -> Result<(), Failure> {
    let remote = Remote::new(&options.server)?;
    let mut session = Session::new(options);
    watch_signals(session.output())?;
    watch_reader()?;
    let mut backoff = Backoff::default();
    loop {
        let start = Instant::now();
        session.begin();
        let listened = match options.transport {
            Transport::Ws => socket::listen(&remote, &mut session),
            Transport::Sse => events::listen(&remote, &mut session),
            Transport::Poll => polls::listen(Polls::Long, &remote, &mut session),
            Transport::ShortPoll => polls::listen(Polls::Short, &remote, &mut session),
        };
        let Err(end) = listened;
        let (good, messages) = session.progress();
        let was_steady = good && start.elapsed() >= STEADY;
        let (why, hint_ms) = match end {
            Break::Over => return Ok(()),
            Break::Nobody(why) if session.is_known() => (why, 0),
            Break::Lost { why, retry_ms } if session.is_known() => {
                if messages || was_steady {
                    backoff.reset();
                }
                (why, retry_ms)
            }
            // Whoever is sent away for coming too often comes ever less often.
            Break::Busy { why, retry_ms } => (why, retry_ms),
            Break::Nobody(_) | Break::Lost { .. } | Break::TooLarge(_) | Break::Final(_) => {
                return Err(end.into());
            }
        };
        let wait_ms = backoff.wait_ms(hint_ms, entropy()?);
        let wait = Duration::from_millis(wait_ms);
        session.notice(&format!("{why}; again in {:.1} s", wait.as_secs_f64()));
        std::thread::sleep(wait);
    }
}
