//! A network whose sockets hold bytes, as those of TLS do.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use sockeye_reactor::{Accepted, Key, Net, Ready, Socket, Time};

use crate::record::{Kind, Records, seal, seal_data};
use crate::{Random, SimNet, SimSocket};

/// A [`SimNet`] on which both sides speak in records: the server's sockets use all that
/// [`Socket`] allows to one that holds bytes.
///
/// A handshake comes first, and negotiates the peer's protocol. Reads are short while input is held;
/// output is held until the next flush, or longer; records without data ask for an answer; an end is a
/// record, too. Peers notice nothing of it. Bytes that are no records are answered with [`REFUSAL`].
#[derive(Clone, Debug)]
pub struct SealedNet(SimNet);

/// The answer of a [`SealedSocket`] to bytes that are no records.
pub const REFUSAL: &[u8] = b"records only";

/// The server's end of a connection on a [`SealedNet`].
#[derive(Debug)]
pub struct SealedSocket {
    socket: SimSocket,
    random: Random,
    stage: Stage,
    /// The protocol that the peer wants to speak.
    protocol: Vec<u8>,
    inbound: Records,
    /// Opened, not read by the server.
    plain: VecDeque<u8>,
    /// Nothing is left in the socket below.
    is_drained: bool,
    end: End,
    /// Sealed, not sent.
    out: VecDeque<u8>,
    /// The direction ends behind `out`.
    is_ending: bool,
    /// Bytes that one write takes at the most.
    write_bytes_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    AwaitsHello,
    AwaitsFinished,
    Open,
    /// The handshake has failed.
    Failed,
}

/// The peer's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    None,
    /// It is here, and the server has not read it.
    Untold,
    Told,
}

impl From<SimNet> for SealedNet {
    /// Peers that connect from now on speak in records.
    fn from(net: SimNet) -> Self {
        net.seal();
        Self(net)
    }
}

impl Net for SealedNet {
    type Socket = SealedSocket;

    fn now(&self) -> Time {
        self.0.now()
    }

    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.0.poll(timeout, ready)
    }

    fn accept(&mut self) -> io::Result<Option<Accepted<SealedSocket>>> {
        let accepted = self.0.accept()?;
        Ok(accepted.map(|Accepted { socket, peer, listener }| Accepted {
            socket: SealedSocket::new(socket),
            peer,
            listener,
        }))
    }

    fn accept_ready(&self) -> bool {
        self.0.accept_ready()
    }

    fn stop_listening(&mut self) {
        self.0.stop_listening();
    }

    fn register(&mut self, socket: &mut SealedSocket, key: Key) -> io::Result<()> {
        self.0.register(&mut socket.socket, key)
    }

    fn close(&mut self, socket: SealedSocket) {
        self.0.close(socket.socket);
    }
}

impl SealedSocket {
    fn new(mut socket: SimSocket) -> Self {
        let mut random = socket.fork_random();
        Self {
            socket,
            stage: Stage::AwaitsHello,
            protocol: Vec::new(),
            inbound: Records::default(),
            plain: VecDeque::new(),
            is_drained: false,
            end: End::None,
            out: VecDeque::new(),
            is_ending: false,
            write_bytes_max: [1 + random.below(9), 1_000, 16_384, 65_536][random.below(4)],
            random,
        }
    }

    /// Reads a piece of the line and opens what is whole of it.
    fn fill(&mut self) -> io::Result<()> {
        let mut piece = [0; 2_048];
        let len = 1 + self.random.skewed(piece.len() - 1);
        let read = self.socket.with(|pipe| pipe.read(&mut piece[..len]));
        self.is_drained = matches!(&read, Err(error) if error.kind() == ErrorKind::WouldBlock);
        match read? {
            // The line ended, and the peer did not say so.
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            len => self.inbound.push(piece[..len].iter().copied()),
        }
        self.open_records()
    }

    /// Takes the whole records in, no further than to the end of the handshake.
    fn open_records(&mut self) -> io::Result<()> {
        let was_open = self.stage == Stage::Open;
        while was_open || self.stage != Stage::Open {
            let Some((kind, payload)) = self.inbound.next().map_err(|_| ErrorKind::InvalidData)?
            else {
                break;
            };
            self.take_in(kind, &payload)?;
        }
        self.tell_held();
        Ok(())
    }

    fn take_in(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        match (self.stage, kind) {
            (Stage::AwaitsHello, Kind::Hello) => {
                // A narrow line has to take it before the deadline of a handshake.
                let most = self.socket.with(|pipe| pipe.room).saturating_mul(40).min(4_000);
                let answer = vec![0; self.random.below(most)];
                seal(Kind::Answer, &answer, &mut self.out);
                let end = payload.iter().position(|byte| *byte == 0).unwrap_or(payload.len());
                self.protocol = payload[..end].to_vec();
                self.stage = Stage::AwaitsFinished;
            }
            (Stage::AwaitsFinished, Kind::Finished) => {
                seal(Kind::Reply, &[0; 40], &mut self.out);
                self.stage = Stage::Open;
            }
            (Stage::Open, Kind::Data) if self.end == End::None => self.plain.extend(payload),
            (Stage::Open, Kind::Update) => {
                if !self.is_ending {
                    seal(Kind::Reply, &[0; 4], &mut self.out);
                }
            }
            (Stage::Open, Kind::Farewell) => self.end = End::Untold,
            _ => return Err(ErrorKind::InvalidData.into()),
        }
        Ok(())
    }

    /// The handshake has failed. The peer is told, unless its line is gone.
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.stage = Stage::Failed;
        if error.kind() == ErrorKind::InvalidData {
            self.out.extend(REFUSAL);
        }
        self.tell_held();
        error
    }

    /// Reads what nobody will open.
    fn discard(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        let read = self.socket.with(|pipe| pipe.read(buffer));
        self.is_drained = !matches!(&read, Ok(len) if *len == room);
        if matches!(&read, Ok(0)) {
            self.end = End::Told;
        }
        read
    }

    /// The network checks that the server does not wait on output that would go.
    fn tell_held(&mut self) {
        self.socket.with(|pipe| pipe.held = self.out.len());
    }

    /// Sends what the line takes.
    fn send(&mut self) -> io::Result<usize> {
        let mut sent = 0;
        while !self.out.is_empty() {
            let out = self.out.make_contiguous();
            match self.socket.with(|pipe| pipe.write(out)) {
                Ok(len) => {
                    self.out.drain(..len);
                    sent += len;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.tell_held();
        if self.out.is_empty() && self.is_ending {
            self.socket.shutdown_write()?;
        }
        Ok(sent)
    }
}

impl Socket for SealedSocket {
    const BUFFERS: bool = true;

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.is_handshaking(), "the server reads before the handshake is over");
        if self.stage == Stage::Failed {
            return self.discard(buffer);
        }
        // Records may have come together with the end of the handshake.
        self.open_records()?;
        while self.plain.is_empty() {
            if self.end != End::None {
                self.end = End::Told;
                return Ok(0);
            }
            self.fill()?;
            // Others have their turn now and then, as where many records have no data.
            if self.plain.is_empty() && self.random.one_in(4) {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
        let most = buffer.len().min(self.plain.len());
        let len = if self.random.one_in(3) { 1 + self.random.below(most) } else { most };
        for (to, from) in buffer.iter_mut().zip(self.plain.drain(..len)) {
            *to = from;
        }
        self.socket.with(|pipe| pipe.taken += len as u64);
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(self.stage, Stage::Open, "the server writes without a handshake");
        assert!(!self.is_ending, "the server writes after it ended its direction");
        self.send()?;
        if !self.out.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = bytes.len().min(self.write_bytes_max);
        seal_data(&bytes[..len], &mut self.random, &mut self.out);
        self.socket.with(|pipe| pipe.given += len as u64);
        self.tell_held();
        if self.random.one_in(2) {
            // The bytes are taken. An error comes again with the next flush.
            let _ = self.send();
        }
        Ok(len)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write(&bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        if !self.is_ending {
            if self.stage == Stage::Open {
                seal(Kind::Farewell, &[], &mut self.out);
            }
            self.is_ending = true;
            self.tell_held();
        }
        // Without output that it would go behind, the end goes now.
        if self.out.is_empty() || self.random.one_in(2) { self.send().map(|_| ()) } else { Ok(()) }
    }

    fn holds_input(&self) -> bool {
        match self.end {
            End::None => !self.plain.is_empty() || !self.is_drained,
            End::Untold => true,
            End::Told => false,
        }
    }

    fn held_output(&self) -> usize {
        self.out.len()
    }

    fn flush(&mut self) -> io::Result<usize> {
        self.send()
    }

    fn is_handshaking(&self) -> bool {
        matches!(self.stage, Stage::AwaitsHello | Stage::AwaitsFinished)
    }

    fn handshake(&mut self) -> io::Result<bool> {
        let before = self.stage;
        while self.is_handshaking() {
            match self.fill() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(before == Stage::AwaitsHello && self.stage != before)
    }

    fn is_encrypted(&self) -> bool {
        true
    }

    fn protocol(&self) -> Option<&[u8]> {
        (self.stage == Stage::Open && !self.protocol.is_empty()).then_some(&self.protocol)
    }
}
