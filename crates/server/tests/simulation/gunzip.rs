//! A client's decoder of gzip, which gives what has come at once.

use zlib_rs::{Inflate, InflateFlush, Status};

pub(crate) struct Gunzip {
    inflate: Inflate,
    /// The trailer has come, and is right.
    pub(crate) ended: bool,
}

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self { inflate: Inflate::new(true, 16 + 15), ended: false }
    }

    /// Decodes the next bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        loop {
            assert!(!self.ended || bytes.is_empty(), "nothing is behind the trailer");
            let mut part = [0; 4_096];
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            // An error besides that of having nothing to do is one of the wire.
            let status = self.inflate.decompress(bytes, &mut part, InflateFlush::SyncFlush);
            let count = |now: u64, before| usize::try_from(now - before).expect("it is short");
            let read = count(self.inflate.total_in(), read);
            let written = count(self.inflate.total_out(), written);
            match status {
                Ok(status) => self.ended |= status == Status::StreamEnd,
                Err(error) => assert!(read + written == 0 && bytes.is_empty(), "{error:?}"),
            }
            bytes = &bytes[read..];
            text.extend_from_slice(&part[..written]);
            if bytes.is_empty() && written < part.len() {
                return text;
            }
        }
    }
}
