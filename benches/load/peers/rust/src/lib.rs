//! What the echo servers share: one thread, one port from the command line, batches where asked for.

use std::future::Future;

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::net::{TcpListener, TcpStream};

/// Largest message: what the loads send, and room beside it.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Messages that are answered before they are written.
const BATCH_MAX: usize = 64;

/// When answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Each at once.
    Each,
    /// When nothing more is there to be read.
    Batched,
}

/// Listens on the loopback port of the command line and serves each connection. A second argument
/// `batch` asks for batches.
pub fn listen<F: Future<Output = ()> + 'static>(serve: impl Fn(TcpStream, Writes) -> F + 'static) {
    let mut args = std::env::args().skip(1);
    let port: Option<u16> = args.next().and_then(|port| port.parse().ok());
    let port = port.expect("usage: PROGRAM PORT [batch]");
    let writes = if args.next().is_some() { Writes::Batched } else { Writes::Each };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), async move {
        let listener = tokio::net::TcpSocket::new_v4().expect("a socket");
        listener.bind(([127, 0, 0, 1], port).into()).expect("a free port");
        let listener: TcpListener = listener.listen(4096).expect("it listens");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            // A connection is never made to wait by tokio's budget: none of the peers is.
            tokio::task::spawn_local(tokio::task::unconstrained(serve(stream, writes)));
        }
    });
}

/// Sends back what is data, as `writes` says; `data` takes a message out of what a library gives.
pub async fn echo<S, T, M>(mut socket: S, data: impl Fn(T) -> Heard<M>, writes: Writes)
where
    S: Stream<Item = T> + Sink<M> + Unpin,
{
    while let Some(item) = socket.next().await {
        let mut next = Some(item);
        let mut count = 0;
        while let Some(item) = next.take() {
            match data(item) {
                Heard::Data(message) => {
                    if socket.feed(message).await.is_err() {
                        return;
                    }
                }
                Heard::Other => {}
                Heard::Error => return,
            }
            count += 1;
            if writes == Writes::Batched && count < BATCH_MAX {
                // Nothing more there, or the end, which the next turn hears of again.
                next = socket.next().now_or_never().flatten();
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

/// What a library gave.
#[derive(Debug)]
pub enum Heard<M> {
    /// A text or binary message.
    Data(M),
    /// Anything else that is no error.
    Other,
    /// The connection cannot be read any more.
    Error,
}

impl<M> Heard<M> {
    /// For libraries that give results.
    pub fn of<E>(result: Result<M, E>, is_data: impl Fn(&M) -> bool) -> Self {
        match result {
            Ok(message) if is_data(&message) => Self::Data(message),
            Ok(_) => Self::Other,
            Err(_) => Self::Error,
        }
    }
}
