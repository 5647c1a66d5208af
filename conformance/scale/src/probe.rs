//! A client that sends given bytes and counts the responses.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::rc::Rc;

use sockeye_load::engine::{Fault, Heard, Lines, Opener, Purpose, SocketOptions};
use sockeye_sse::Item;

use crate::frames::Answers;
use crate::world::{Act, Ground};

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
    opener: Rc<Opener>,
    /// The bytes that it sends, besides the request of an event stream.
    request: Rc<[u8]>,
    manner: Manner,
    options: SocketOptions,
    dripped: usize,
    /// Responses by status; the head of a stream counts as 200.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// The latest body.
    pub(crate) body: String,
    pub(crate) received: usize,
    pub(crate) ended: Ended,
    /// Bytes that it has read, of whole responses or not.
    pub(crate) bytes: usize,
    /// Reads the answers if its bytes are HTTP/2.
    answers: Option<Answers>,
}

impl Probe {
    pub(crate) fn new(
        opener: &Rc<Opener>,
        request: &Rc<[u8]>,
        manner: Manner,
        options: SocketOptions,
    ) -> Self {
        Self {
            opener: Rc::clone(opener),
            request: Rc::clone(request),
            manner,
            options,
            dripped: 0,
            statuses: BTreeMap::new(),
            body: String::new(),
            received: 0,
            ended: Ended::Not,
            bytes: 0,
            answers: None,
        }
    }

    /// The same with bytes that are HTTP/2.
    pub(crate) fn with_frames(self) -> Self {
        Self { answers: Some(Answers::default()), ..self }
    }

    /// Requests that were answered 200.
    pub(crate) fn answered(&self) -> u64 {
        let count = match &self.answers {
            None => self.statuses.get(&200).copied().unwrap_or(0),
            Some(answers) => answers.whole(),
        };
        count as u64
    }

    fn begin(&mut self, lines: &mut Lines, id: usize, ground: &mut Ground) {
        if ground.connect(lines, id, &self.opener, self.options).is_err() {
            self.ended = Ended::Refused;
            return;
        }
        if let Manner::Drip(ms) | Manner::Reset(ms) = self.manner {
            ground.wake_in(ms, id);
        }
        if !matches!(self.manner, Manner::Drip(_))
            && let Some(mut out) = lines.outlet(id)
        {
            out.tail().extend_from_slice(&self.request);
        }
    }

    /// Ends the connection.
    pub(crate) fn stop(&mut self, lines: &mut Lines, id: usize) {
        if self.ended == Ended::Not {
            lines.close(id);
            self.ended = Ended::Ours;
        }
    }

    fn count(&mut self, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
    }
}

impl Act for Probe {
    fn hear(&mut self, heard: Heard<'_>, id: usize, ground: &mut Ground) {
        match heard {
            Heard::Open { .. } if matches!(self.opener.purpose, Purpose::Events) => self.count(200),
            Heard::Answer(answer) => {
                self.count(answer.status);
                self.received += 1;
                self.body = String::from_utf8_lossy(answer.body).into_owned();
                if self.manner == Manner::Until(self.received) {
                    ground.wake_in(0, id);
                }
            }
            Heard::Part(part) => {
                if let Some(answers) = &mut self.answers {
                    answers.receive(part.bytes);
                }
            }
            Heard::Item(Item::Event(event)) => {
                self.body = format!("{} {}", event.event_type, event.data);
            }
            _ => {}
        }
    }

    fn gone(&mut self, fault: &Fault, _: usize, ground: &mut Ground) {
        match fault {
            Fault::Status(status) if matches!(self.opener.purpose, Purpose::Events) => {
                self.count(*status);
            }
            fault if fault.is_end() => {}
            fault => ground.fault(format!("to a probe: {fault}")),
        }
        self.ended = match fault {
            Fault::Io(ErrorKind::ConnectionRefused) => Ended::Refused,
            Fault::Io(_) => Ended::ByReset,
            fault if fault.is_end() => Ended::ByServer,
            _ => Ended::Ours,
        };
    }

    fn wake(&mut self, lines: &mut Lines, id: usize, ground: &mut Ground) {
        if self.ended != Ended::Not {
            return;
        }
        if !lines.is_there(id) {
            return self.begin(lines, id, ground);
        }
        match self.manner {
            Manner::Stay => {}
            Manner::Until(_) => self.stop(lines, id),
            Manner::Drip(ms) => {
                let byte = self.request.get(self.dripped);
                self.dripped += 1;
                if let (Some(byte), Some(mut out)) = (byte, lines.outlet(id)) {
                    out.tail().push(*byte);
                    ground.wake_in(ms, id);
                }
            }
            Manner::Reset(_) => {
                lines.reset(id);
                self.ended = Ended::Ours;
            }
        }
    }
}
