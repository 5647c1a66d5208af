//! Heads of HTTP on a stream, and the end of a connection that opens no WebSocket.

use core::future::Future;
use std::time::Duration;

use sockeye_http1::{HeadEnd, Limits};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use sockeye_endpoint::OpenError;

/// So many bytes are read at a time.
const READ_BYTES: usize = 4096;
/// So long a refused client has to read its answer, in milliseconds.
const FAREWELL_MS: u64 = 1000;

/// A head, and the bytes behind it.
pub(crate) struct Received {
    pub(crate) head: Vec<u8>,
    pub(crate) early: Vec<u8>,
}

/// Reads until a head is complete. `received` is what came before.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut end: HeadEnd,
    limits: &Limits,
    mut received: Vec<u8>,
) -> Result<Received, OpenError> {
    loop {
        if let Some(len) = end.find(&received, limits)? {
            let early = received.split_off(len);
            return Ok(Received { head: received, early });
        }
        // The head's own limit bounds what is kept. A buffer of the future's own would stay with its task for as long as the
        // connection is open: a task is as large as the largest of its states.
        received.reserve(READ_BYTES);
        if stream.read_buf(&mut received).await? == 0 {
            return Err(OpenError::Ended);
        }
    }
}

/// Runs a handshake within its time.
pub(crate) async fn within<T>(
    ms: u64,
    handshake: impl Future<Output = Result<T, OpenError>>,
) -> Result<T, OpenError> {
    timeout(Duration::from_millis(ms), handshake).await.unwrap_or(Err(OpenError::TimedOut))
}

/// Sends the last answer, and reads on for a moment: closing with unread input can destroy the answer on its way.
pub(crate) async fn part<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, answer: &[u8]) {
    let farewell = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    };
    // Who cannot be told will see the end of the stream.
    let _ = timeout(Duration::from_millis(FAREWELL_MS), farewell).await;
}
