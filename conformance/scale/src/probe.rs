//! A client that sends given bytes and counts the responses.

use std::collections::BTreeMap;
use std::rc::Rc;

use sockeye_reactor::Key;

use crate::lines::Ways;
use crate::wire::{Form, Said, Wire};
use crate::world::Link;

/// What a probe does besides sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Ends once so many responses have come.
    Until(usize),
    /// Stays until the server ends the connection.
    Stay,
    /// Sends one byte each so many milliseconds.
    Drip(u64),
    /// Resets the connection so many milliseconds later.
    Reset(u64),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Not,
    /// The connection was never established.
    Refused,
    /// By us.
    Ours,
    ByServer,
    ByReset,
}

pub(crate) struct Probe {
    request: Rc<[u8]>,
    manner: Manner,
    ways: Ways,
    line: Option<Key>,
    wire: Wire,
    dripped: usize,
    /// Responses by status; the head of a stream counts as 200.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// The latest body.
    pub(crate) body: String,
    pub(crate) received: usize,
    pub(crate) ended: Ended,
    /// Without reading, while it is paused.
    pub(crate) bytes: u64,
}

impl Probe {
    pub(crate) fn new(request: &Rc<[u8]>, form: Form, manner: Manner, ways: Ways) -> Self {
        Self {
            request: Rc::clone(request),
            manner,
            ways,
            line: None,
            wire: Wire::new(form),
            dripped: 0,
            statuses: BTreeMap::new(),
            body: String::new(),
            received: 0,
            ended: Ended::Not,
            bytes: 0,
        }
    }

    pub(crate) fn begin(&mut self, link: &mut Link<'_>) {
        self.line = link.connect(self.ways);
        match self.manner {
            _ if self.line.is_none() => self.ended = Ended::Refused,
            Manner::Until(_) | Manner::Stay => link.send(self.line, &self.request),
            Manner::Drip(ms) => link.wake_in(ms),
            Manner::Reset(ms) => {
                link.send(self.line, &self.request);
                link.wake_in(ms);
            }
        }
    }

    /// Reads nothing, or goes on to.
    pub(crate) fn pause(&mut self, paused: bool, link: &mut Link<'_>) {
        link.pause(self.line, paused);
    }

    /// Ends the connection.
    pub(crate) fn stop(&mut self, link: &mut Link<'_>) {
        if self.line.is_some() {
            link.close(&mut self.line);
            self.ended = Ended::Ours;
        }
    }

    pub(crate) fn unsent(&self, link: &Link<'_>) -> usize {
        link.unsent(self.line)
    }

    pub(crate) fn receive(&mut self, bytes: &mut [u8], link: &mut Link<'_>) {
        self.bytes += bytes.len() as u64;
        let (statuses, last, received) = (&mut self.statuses, &mut self.body, &mut self.received);
        let mut out = Vec::new();
        let read = self.wire.receive(bytes, &mut out, &mut |said| match said {
            Said::Response { status, body, .. } => {
                *statuses.entry(status).or_default() += 1;
                *received += 1;
                *last = String::from_utf8_lossy(body).into_owned();
            }
            Said::Open => *statuses.entry(200).or_default() += 1,
            Said::Event(name, data, _) => *last = format!("{name} {data}"),
            Said::Text(_) | Said::Id(_) | Said::Retry(_) | Said::Close(..) | Said::Finished => {}
        });
        link.send(self.line, &out);
        if let Err(fault) = read {
            link.ground.fault(format!("to a probe: {fault}"));
        }
        if matches!(self.manner, Manner::Until(count) if self.received >= count) {
            self.stop(link);
        }
    }

    pub(crate) fn end(&mut self, reset: bool, link: &mut Link<'_>) {
        link.close(&mut self.line);
        self.ended = if reset { Ended::ByReset } else { Ended::ByServer };
    }

    pub(crate) fn wake(&mut self, link: &mut Link<'_>) {
        match self.manner {
            Manner::Until(_) | Manner::Stay => {}
            Manner::Drip(ms) => {
                let byte = self.request.get(self.dripped).copied();
                self.dripped += 1;
                if let (Some(byte), true) = (byte, self.line.is_some()) {
                    link.send(self.line, &[byte]);
                    link.wake_in(ms);
                }
            }
            Manner::Reset(_) => {
                if self.line.is_some() {
                    link.reset(&mut self.line);
                    self.ended = Ended::Ours;
                }
            }
        }
    }
}
