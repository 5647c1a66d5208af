//! The ledger of a subscription: its cursor, the place up to which messages were shown, and its remaining channels.

use super::position::Position;

/// The cursor, the place up to which messages were shown, and the channels that are still wanted.
pub(super) struct Ledger {
    /// All channels and patterns that were ever wanted here.
    targets: Vec<String>,
    /// The channels and patterns that have neither ended nor been refused.
    wanted: Vec<String>,
    /// The channels that have ended or were refused since a gap of unknown size.
    struck: Vec<String>,
    /// The cursor for the next connection. At first it is the caller's text, which may be a word or invalid.
    cursor: Option<String>,
    /// The place of the cursor, if it has one.
    at: Option<Position>,
    /// Everything up to this place was shown, by this subscription or before it.
    shown: Option<Position>,
    /// The targets for which a gap of unknown size was declared, and no cursor has come since.
    excused: Vec<String>,
    /// Whether this connection has brought an event of the log, behind which a cursor may stand.
    heard: bool,
}

/// Whether a cursor of the hub's is of the known epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The cursor is of the known epoch, or none was known.
    Ours,
    /// The cursor is of another epoch, and no gap was declared.
    Foreign,
}

impl Ledger {
    /// Begins at a cursor, a word that stands for one, or now. `targets` has nothing twice.
    pub(super) fn new(targets: Vec<String>, cursor: Option<&str>) -> Self {
        let cursor = cursor.filter(|text| !text.is_empty() && *text != "now");
        let at = cursor.and_then(Position::parse).filter(|at| *at != Position::NOWHERE);
        Self {
            wanted: targets.clone(),
            struck: Vec::new(),
            targets,
            cursor: cursor.map(str::to_owned),
            at,
            shown: at,
            excused: Vec::new(),
            heard: false,
        }
    }

    pub(super) fn wanted(&self) -> &[String] {
        &self.wanted
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    pub(super) const fn at(&self) -> Option<Position> {
        self.at
    }

    /// Begins another connection, whose first cursor may only repeat the one that the client has sent.
    pub(super) const fn begin(&mut self) {
        self.heard = false;
    }

    /// Records that this connection has brought an event of the log, so cursors count from now on.
    pub(super) const fn hear(&mut self) {
        self.heard = true;
    }

    /// Whether a channel was asked for.
    pub(super) fn covers(&self, channel: &str) -> bool {
        self.targets.iter().any(|target| covers(target, channel))
    }

    /// Whether a channel is still wanted.
    pub(super) fn wants(&self, channel: &str) -> bool {
        self.wanted.iter().any(|target| covers(target, channel))
    }

    /// [client:hub-epoch] Whether this place can be reached without a gap before it.
    pub(super) fn place(&self, at: Position) -> Place {
        let is_excused = || self.wanted.iter().all(|wanted| self.excused.contains(wanted));
        match self.at {
            Some(known) if known.epoch != at.epoch && !is_excused() => Place::Foreign,
            Some(_) | None => Place::Ours,
        }
    }

    /// [client:hub-once] Whether the message at this place has been shown.
    pub(super) fn has_shown(&self, at: Position) -> bool {
        self.shown.is_some_and(|shown| shown.epoch == at.epoch && at.seq <= shown.seq)
    }

    /// Records that the message at this place is shown now.
    pub(super) fn show(&mut self, text: &str, at: Position) {
        self.shown = Some(at);
        self.reach(text, at);
    }

    /// Moves the cursor to this place, up to which everything has come. Within one epoch it does not go back.
    pub(super) fn reach(&mut self, text: &str, at: Position) {
        let is_behind = self.at.is_some_and(|known| known.epoch == at.epoch && at.seq < known.seq);
        // [client:hub-cursor] Only a gap of unknown size lets it go back.
        if at == Position::NOWHERE || (is_behind && self.excused.is_empty()) {
            return;
        }
        self.excused.clear();
        self.at = Some(at);
        if self.cursor.as_deref() != Some(text) {
            self.cursor = Some(text.to_owned());
        }
    }

    /// Takes a cursor that comes without a message. Before the first event of a connection, such a cursor says where
    /// the stream begins, and a gap that this implies may still follow. Until then the ledger keeps the cursor that it
    /// has, and takes only a new proof for the same place.
    pub(super) fn hint(&mut self, text: &str, at: Position) -> Place {
        if at == Position::NOWHERE {
            return Place::Ours;
        }
        if !self.heard && self.cursor.is_some() && self.at != Some(at) {
            return Place::Ours;
        }
        let place = self.place(at);
        if place == Place::Ours {
            self.reach(text, at);
        }
        place
    }

    /// [client:hub-gap] Records a gap of unknown size in a target, or in all of them for `None`: the next cursor is
    /// taken, whatever its epoch and place.
    pub(super) fn excuse(&mut self, target: Option<&str>) {
        self.shown = None;
        // [client:hub-gap] In the log as it is now, a channel may end again.
        self.struck.clear();
        match target {
            None => self.excused = self.wanted.clone(),
            Some(target) => {
                let is_news = !self.excused.iter().any(|known| known == target);
                if is_news && self.wanted.iter().any(|wanted| wanted == target) {
                    self.excused.push(target.to_owned());
                }
            }
        }
    }

    /// Strikes out a channel that has ended or was refused. Returns whether it was wanted.
    pub(super) fn strike(&mut self, channel: &str) -> bool {
        let before = self.wanted.len();
        self.wanted.retain(|wanted| wanted != channel);
        let was_wanted = self.wanted.len() < before;
        if was_wanted {
            self.struck.push(channel.to_owned());
        }
        was_wanted
    }

    /// Whether a channel was asked for by its name, and its end is known.
    pub(super) fn is_struck(&self, channel: &str) -> bool {
        self.struck.iter().any(|it| it == channel)
    }

    /// Strikes out channels that had ended before the cursor that the caller brought: the hub reports an end once.
    /// `ended` are channels with the place of their end, of the log whose newest place is `head`.
    pub(super) fn strike_known(&mut self, head: Position, ended: &[(&str, u64)]) {
        let at = self.at.or_else(|| self.cursor.is_none().then_some(head));
        let Some(at) = at.filter(|at| at.epoch == head.epoch) else { return };
        for (channel, last) in ended {
            if at.seq >= *last {
                self.strike(channel);
            }
        }
    }
}

/// Whether a channel is `target`, or matches it: `*` stands for one segment, a last `>` for one or more.
pub(super) fn covers(target: &str, channel: &str) -> bool {
    let mut segments = channel.split(':');
    let mut patterns = target.split(':').peekable();
    while let Some(pattern) = patterns.next() {
        let Some(segment) = segments.next() else { return false };
        match pattern {
            ">" if patterns.peek().is_none() => return true,
            "*" => {}
            _ if pattern == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
