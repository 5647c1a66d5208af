//! Tables of cases.

use sockeye_cases::{Level, Miss, Outcome, Pace, Seen};

use crate::peer::Peer;
use crate::target::{Site, Target};
use crate::want::Want;
use crate::wire::hex;

/// A case of this suite.
pub(crate) type Case = sockeye_cases::Case<Target>;

/// A case in a table.
pub(crate) struct Row {
    id: &'static str,
    section: &'static str,
    title: &'static str,
    level: Level,
    pace: Pace,
    check: Check,
}

/// The check of a [`Row`].
#[derive(Clone, Copy)]
enum Check {
    Free(fn(&Target) -> Outcome),
    Seeing(fn(&Target) -> Seen),
    Bytes { start: Start, bytes: fn(&Site) -> Vec<u8>, want: Want, probes: bool },
}

/// The state in which the bytes of a case are sent.
#[derive(Clone, Copy)]
enum Start {
    /// Nothing was sent.
    Connected,
    /// Both sides have exchanged SETTINGS.
    Ready,
}

/// A case that does what it likes.
pub(crate) const fn free(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    check: fn(&Target) -> Outcome,
) -> Row {
    row(id, section, title, Check::Free(check))
}

/// The same, and it says which of the allowed answers was seen.
pub(crate) const fn seeing(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    check: fn(&Target) -> Seen,
) -> Row {
    row(id, section, title, Check::Seeing(check))
}

/// Bytes behind the exchange of SETTINGS, and the answer to them. A PING goes behind them.
pub(crate) const fn sends(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    bytes: fn(&Site) -> Vec<u8>,
    want: Want,
) -> Row {
    let start = Start::Ready;
    row(id, section, title, Check::Bytes { start, bytes, want, probes: true })
}

const fn row(id: &'static str, section: &'static str, title: &'static str, check: Check) -> Row {
    Row { id, section, title, level: Level::Must, pace: Pace::Shared, check }
}

impl Row {
    /// The bytes are the first of the connection.
    pub(crate) const fn raw(mut self) -> Self {
        if let Check::Bytes { bytes, want, .. } = self.check {
            self.check = Check::Bytes { start: Start::Connected, bytes, want, probes: false };
        }
        self
    }

    /// No PING follows, since the bytes end within a frame or a block.
    pub(crate) const fn cut(mut self) -> Self {
        if let Check::Bytes { start, bytes, want, .. } = self.check {
            self.check = Check::Bytes { start, bytes, want, probes: false };
        }
        self
    }

    /// Makes the case our choice, and says why.
    pub(crate) const fn policy(mut self, reason: &'static str) -> Self {
        self.level = Level::Policy(reason);
        self
    }

    pub(crate) const fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

/// Turns a table into cases.
pub(crate) fn table(rows: &'static [Row]) -> impl Iterator<Item = Case> {
    rows.iter().map(|&Row { id, section, title, level, pace, check }| {
        let case = match check {
            Check::Free(check) => Case::new(id, section, title, check),
            Check::Seeing(check) => Case::seeing(id, section, title, check),
            Check::Bytes { start, bytes, want, probes } => {
                let check = move |target: &Target| run(target, start, bytes, want, probes);
                Case::seeing(id, section, title, check).sends(hex(&bytes(&Site::sample())))
            }
        };
        case.at(level).paced(pace)
    })
}

/// A case of a series: bytes behind the exchange of SETTINGS, and the answer to them.
pub(crate) fn one(
    id: String,
    section: &'static str,
    title: String,
    bytes: impl Fn(&Site) -> Vec<u8> + Send + Sync + 'static,
    want: Want,
) -> Case {
    let sample = hex(&bytes(&Site::sample()));
    let check = move |target: &Target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&bytes(&target.site));
        want.judge(&mut peer, true)
    };
    Case::seeing(id, section, title, check).sends(sample)
}

fn run(
    target: &Target,
    start: Start,
    bytes: fn(&Site) -> Vec<u8>,
    want: Want,
    probes: bool,
) -> Result<String, Miss> {
    let mut peer = match start {
        Start::Connected => Peer::connect(target)?,
        Start::Ready => Peer::ready(target)?,
    };
    peer.send(&bytes(&target.site));
    want.judge(&mut peer, probes)
}
