//! Properties that the tests and the fuzz targets share.

pub mod fuzz;

use std::io::{self, ErrorKind, IoSlice};

use crate::{Flushed, Outbox, Pool, Shared, Socket};

/// One thing done to an outbox.
#[derive(Clone, Debug)]
pub enum Step {
    /// Append bytes by copy.
    Append(Vec<u8>),
    /// Append bytes by reference.
    Share(Vec<u8>),
    /// Flush into a socket that takes this many bytes before it blocks.
    Flush(usize),
}

/// A socket that takes a given number of bytes, a few at a time, and then blocks.
#[derive(Debug, Default)]
pub struct Throttled {
    /// Everything written so far.
    pub taken: Vec<u8>,
    /// Bytes it still takes before it blocks.
    pub room: usize,
    /// Most bytes it takes in one call; zero means any number.
    pub gulp: usize,
}

impl Socket for Throttled {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = if self.gulp == 0 { self.room } else { self.room.min(self.gulp) };
        let before = self.taken.len();
        self.taken.extend(slices.iter().flat_map(|slice| slice.iter()).take(most));
        let written = self.taken.len() - before;
        self.room -= written;
        Ok(written)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that are appended, by copy or by reference, come out once and in order, however the socket
/// stalls. After each step the length is the number of unsent bytes.
///
/// # Panics
/// When the property does not hold.
pub fn outbox_keeps_order(steps: &[Step], gulp: usize) {
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    let mut socket = Throttled { gulp, ..Throttled::default() };
    let mut given = Vec::new();
    for step in steps {
        match step {
            Step::Append(bytes) => {
                outbox.tail(&mut pool).extend_from_slice(bytes);
                given.extend_from_slice(bytes);
            }
            Step::Share(bytes) => {
                outbox.push_shared(&Shared::new(bytes), &mut pool);
                given.extend_from_slice(bytes);
            }
            Step::Flush(room) => {
                socket.room = *room;
                let before = socket.taken.len();
                match outbox.flush(&mut socket, &mut pool).expect("never fails") {
                    Flushed::All => assert_eq!(socket.taken, given),
                    Flushed::Blocked { bytes } => assert_eq!(socket.taken.len() - before, bytes),
                }
            }
        }
        assert_eq!(outbox.len(), given.len() - socket.taken.len(), "length after {step:?}");
    }
    while !outbox.is_empty() {
        socket.room = usize::MAX;
        outbox.flush(&mut socket, &mut pool).expect("never fails");
    }
    assert_eq!(socket.taken, given);
}
