//! A stream of HTTP/2 that is written and read as a connection of HTTP/1.1 is, by calls that wait.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Instant;

use sockeye_client::Limits;
use sockeye_client::sans_io::{LaneId, Multiplex};

use crate::Failure;
use crate::wire::Wire;

/// A connection that lanes share.
struct Trunk {
    wire: Wire,
    protocol: Multiplex,
    start: Instant,
}

/// One of them.
pub(crate) struct Lane {
    trunk: Rc<RefCell<Trunk>>,
    id: LaneId,
}

impl Lane {
    /// The first lane of a connection.
    pub(crate) fn new(wire: Wire, scheme: &'static str) -> Self {
        let mut protocol = Multiplex::new(scheme, &Limits::DEFAULT);
        let id = protocol.open_lane();
        Self { trunk: Rc::new(RefCell::new(Trunk { wire, protocol, start: Instant::now() })), id }
    }

    /// Another lane of the same connection.
    pub(crate) fn beside(&self) -> Self {
        let id = self.trunk.borrow_mut().protocol.open_lane();
        Self { trunk: Rc::clone(&self.trunk), id }
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let trunk = &mut *self.trunk.borrow_mut();
        trunk.flush()?;
        while !bytes.is_empty() {
            match trunk.protocol.send(self.id, bytes) {
                // The server has not said yet what it takes.
                0 => trunk.read()?,
                len => bytes = &bytes[len..],
            }
            trunk.flush()?;
        }
        Ok(())
    }

    /// Reads what there is, at least a byte; 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let trunk = &mut *self.trunk.borrow_mut();
        loop {
            let input = trunk.protocol.input(self.id);
            let len = input.len().min(buffer.len());
            if len > 0 {
                buffer[..len].copy_from_slice(&input[..len]);
                trunk.protocol.took(self.id, len);
                trunk.flush()?;
                return Ok(len);
            }
            if trunk.protocol.take_end(self.id).is_some() {
                return Ok(0);
            }
            trunk.read()?;
        }
    }
}

/// The server is told that nobody reads it any more.
impl Drop for Lane {
    fn drop(&mut self) {
        let trunk = &mut *self.trunk.borrow_mut();
        trunk.protocol.close_lane(self.id);
        // A connection that has ended has told the server already.
        drop(trunk.flush());
    }
}

impl Trunk {
    /// Reads once, for all lanes.
    fn read(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 16 * 1024];
        let len = self.wire.read(&mut buffer)?;
        if len == 0 {
            return Err(Failure("the server has closed a connection".into()));
        }
        let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.protocol.tell_time(now_ms);
        self.protocol.receive(&mut buffer[..len])?;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if self.protocol.unsent() > 0 {
            self.wire.write_all(self.protocol.out())?;
            self.protocol.out().clear();
            self.protocol.output_sent();
        }
        Ok(())
    }
}
