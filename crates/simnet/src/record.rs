//! Records like those of TLS, without its secrets: a kind, a length, a payload that is only scrambled.

use std::collections::VecDeque;

use crate::Random;

/// The content of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The peer begins the handshake.
    Hello,
    /// The server's part of the handshake.
    Answer,
    /// The peer ends the handshake.
    Finished,
    /// The application's bytes.
    Data,
    /// The peer wants a [`Kind::Reply`].
    Update,
    /// The server's answer to an [`Kind::Update`]; one more follows the handshake, unasked.
    Reply,
    /// Nothing more comes behind it.
    Farewell,
}

const KINDS: [Kind; 7] = [
    Kind::Hello,
    Kind::Answer,
    Kind::Finished,
    Kind::Data,
    Kind::Update,
    Kind::Reply,
    Kind::Farewell,
];

/// A kind and two bytes of length.
const HEAD_BYTES: usize = 3;
const PAYLOAD_BYTES_MAX: usize = 16_384;
/// Plain bytes on the line would not survive this.
const SCRAMBLE: u8 = 0x5A;

/// Appends one record.
pub(crate) fn seal(kind: Kind, payload: &[u8], out: &mut VecDeque<u8>) {
    let len = u16::try_from(payload.len()).expect("at most PAYLOAD_BYTES_MAX");
    out.push_back(0x80 | kind as u8);
    out.extend(len.to_be_bytes());
    out.extend(payload.iter().map(|byte| byte ^ SCRAMBLE));
}

/// Appends `bytes` in records of random size, now and then an empty one among them.
pub(crate) fn seal_data(mut bytes: &[u8], random: &mut Random, out: &mut VecDeque<u8>) {
    while !bytes.is_empty() {
        let most = bytes.len().min(PAYLOAD_BYTES_MAX);
        let len = match random.below(8) {
            0 => 0,
            1 => 1 + random.below(most),
            _ => most,
        };
        seal(Kind::Data, &bytes[..len], out);
        bytes = &bytes[len..];
    }
}

/// Bytes of the line that are no whole record yet.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: VecDeque<u8>,
}

impl Records {
    pub(crate) fn push(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.bytes.extend(bytes);
    }

    /// How many more bytes are needed to go on.
    pub(crate) fn missing(&self) -> usize {
        let whole = if self.bytes.len() < HEAD_BYTES { HEAD_BYTES } else { self.whole() };
        whole.saturating_sub(self.bytes.len())
    }

    /// Size of the first record, whose head is here.
    fn whole(&self) -> usize {
        HEAD_BYTES + usize::from(u16::from_be_bytes([self.bytes[1], self.bytes[2]]))
    }

    /// The next whole record; an error for bytes that are none.
    pub(crate) fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>, NoRecord> {
        let Some(first) = self.bytes.front() else { return Ok(None) };
        let number = usize::from(first ^ 0x80);
        let kind = *KINDS.get(number).ok_or(NoRecord)?;
        if self.bytes.len() < HEAD_BYTES || self.bytes.len() < self.whole() {
            return Ok(None);
        }
        let whole = self.whole();
        let payload = self.bytes.drain(..whole).skip(HEAD_BYTES).map(|byte| byte ^ SCRAMBLE);
        Ok(Some((kind, payload.collect())))
    }
}

/// The line carries something else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoRecord;

/// The peer's half of a connection of records, between its application and the line.
#[derive(Debug)]
pub(crate) struct Envelope {
    random: Random,
    inbound: Records,
    /// Received, not read by the application.
    plain: VecDeque<u8>,
    /// Written before the handshake was over.
    pending: Vec<u8>,
    is_open: bool,
    /// The application has ended its direction.
    is_ending: bool,
    /// The server has ended its direction in the way that records have for it.
    pub(crate) farewell: bool,
}

impl Envelope {
    /// A connection whose first record goes to `line`, and wants to speak `protocol`.
    pub(crate) fn begin(mut random: Random, protocol: &str, line: &mut VecDeque<u8>) -> Self {
        let mut hello = protocol.as_bytes().to_vec();
        hello.resize(hello.len() + random.below(600), 0);
        seal(Kind::Hello, &hello, line);
        Self {
            random,
            inbound: Records::default(),
            plain: VecDeque::new(),
            pending: Vec::new(),
            is_open: false,
            is_ending: false,
            farewell: false,
        }
    }

    /// Sends `bytes`, once the handshake is over.
    pub(crate) fn write(&mut self, bytes: &[u8], line: &mut VecDeque<u8>) {
        if !self.is_open {
            self.pending.extend(bytes);
            return;
        }
        if self.random.one_in(8) {
            seal(Kind::Update, &[], line);
        }
        seal_data(bytes, &mut self.random, line);
    }

    /// Ends our direction behind all that was written; true if that is so already.
    pub(crate) fn end(&mut self, line: &mut VecDeque<u8>) -> bool {
        self.is_ending = true;
        if self.is_open {
            seal(Kind::Farewell, &[], line);
        }
        self.is_open
    }

    /// Takes up to `max` bytes for the application from what has arrived on `from`, which is read no further
    /// than that takes.
    pub(crate) fn read(&mut self, max: usize, from: &mut VecDeque<u8>) -> Vec<u8> {
        // The handshake is the network's business.
        while self.is_open && self.plain.len() < max && self.take_record(from) {}
        let len = max.min(self.plain.len());
        self.plain.drain(..len).collect()
    }

    /// Goes on with the handshake. Once it is over, the peer's part of it is on `line`, and the bytes that
    /// waited for that. Returns whether the end of our direction is there, too.
    pub(crate) fn shake_hands(&mut self, from: &mut VecDeque<u8>, line: &mut VecDeque<u8>) -> bool {
        if self.is_open {
            return false;
        }
        while !self.is_open && self.take_record(from) {}
        if !self.is_open {
            return false;
        }
        let finished = vec![0; self.random.below(100)];
        seal(Kind::Finished, &finished, line);
        let pending = core::mem::take(&mut self.pending);
        self.write(&pending, line);
        self.is_ending && self.end(line)
    }

    /// Takes the next record in; false if it is not all there.
    fn take_record(&mut self, from: &mut VecDeque<u8>) -> bool {
        loop {
            match self.inbound.next().expect("the server's socket sends records") {
                None if from.is_empty() => return false,
                None => {
                    let len = self.inbound.missing().min(from.len());
                    self.inbound.push(from.drain(..len));
                }
                Some((kind, payload)) => {
                    self.take_in(kind, &payload);
                    return true;
                }
            }
        }
    }

    fn take_in(&mut self, kind: Kind, payload: &[u8]) {
        assert!(!self.farewell, "{kind:?} behind the end");
        match kind {
            Kind::Answer => self.is_open = true,
            Kind::Data => self.plain.extend(payload),
            Kind::Reply => {}
            Kind::Farewell => self.farewell = true,
            Kind::Hello | Kind::Finished | Kind::Update => panic!("a server sends no {kind:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{Kind, Records, seal, seal_data};
    use crate::Random;

    #[test]
    fn records_come_out_as_they_went_in_however_they_are_cut() {
        let mut random = Random::new(7);
        let (mut line, mut records) = (VecDeque::new(), Records::default());
        let data: Vec<u8> = (0..40_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        seal(Kind::Hello, b"hello", &mut line);
        seal_data(&data, &mut random, &mut line);
        seal(Kind::Farewell, &[], &mut line);
        let (mut kinds, mut plain) = (Vec::new(), Vec::new());
        while !line.is_empty() {
            let len = random.skewed(line.len());
            records.push(line.drain(..len));
            while let Some((kind, payload)) = records.next().expect("records") {
                kinds.push(kind);
                if kind == Kind::Data {
                    plain.extend(payload);
                }
            }
        }
        assert_eq!(plain, data);
        assert_eq!((kinds.first(), kinds.last()), (Some(&Kind::Hello), Some(&Kind::Farewell)));
    }

    #[test]
    fn other_bytes_are_no_records() {
        let mut records = Records::default();
        records.push(*b"GET / HTTP/1.1");
        assert!(records.next().is_err());
    }
}
