//! Reads: small ones into the thread's buffer, large messages into buffers of their own, which are handed over.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use sockeye_endpoint::{Error, Partial, Take};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Core;
use crate::buffers::with_read_buffer;

impl<S: AsyncRead + AsyncWrite + Unpin> Core<S> {
    /// Reads once. `None`: something came, and no message is complete.
    pub(super) fn poll_read<T: Take>(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(partial) = self.endpoint.partial(self.input.read_bytes_max()) {
            return self.poll_read_on(partial, cx);
        }
        if !T::IN_PARTS
            && let Some(len) = self.input.own_buffer_len(self.endpoint.message_len())
        {
            return self.poll_read_own(len, cx);
        }
        with_read_buffer(|buffer| {
            let mut read = ReadBuf::new(buffer);
            let result = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read));
            let mut rest = read.filled_mut();
            if !self.is_read(result.map(|()| rest.len())) {
                return Poll::Ready(None);
            }
            let taken = self.endpoint.receive(&mut rest, self.output.end());
            if !rest.is_empty() {
                self.input.keep(rest);
            }
            Poll::Ready(taken)
        })
    }

    /// Reads once, to the end of a message that has come in part: its bytes are not copied.
    fn poll_read_on<T: Take>(
        &mut self,
        mut partial: Partial,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        let room = partial.room();
        let result = poll_append(&mut self.stream, room, partial.bytes(), cx);
        // It goes back whether something came or not.
        let taken = self.endpoint.receive_partial(partial, self.output.end());
        if self.is_read(ready!(result)) { Poll::Ready(taken) } else { Poll::Ready(None) }
    }

    /// Reads once, into a buffer of `len` bytes that becomes the message.
    fn poll_read_own<T: Take>(&mut self, len: usize, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut buffer = self.output.take_spare(len);
        let room = len.min(self.input.read_bytes_max());
        let result = ready!(poll_append(&mut self.stream, room, &mut buffer, cx));
        if !self.is_read(result) {
            return Poll::Ready(None);
        }
        let owned = self.endpoint.receive_owned(&mut buffer, self.output.end());
        let mut rest = &mut buffer[..];
        let taken = match owned {
            Some(message) => Some(message),
            None => self.endpoint.receive(&mut rest, self.output.end()),
        };
        let left = rest.len();
        if left > 0 {
            self.input.hold(buffer, left);
        }
        Poll::Ready(taken)
    }

    /// Whether a read brought something. If not, the connection has ended.
    fn is_read(&mut self, result: io::Result<usize>) -> bool {
        match result {
            Err(error) => self.finish(Some(Error::Transport(error.kind()))),
            Ok(0) => self.came_to_end(),
            Ok(len) => {
                self.input.note_read(len);
                (self.heard, self.pinged) = (Instant::now(), None);
                return true;
            }
        }
        false
    }
}

/// Appends what one read brings, at most `len_max` bytes. There is capacity for them.
fn poll_append<S: AsyncRead + Unpin>(
    stream: &mut S,
    len_max: usize,
    bytes: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut stream = stream.take(len_max as u64);
    pin!(stream.read_buf(bytes)).poll(cx)
}
