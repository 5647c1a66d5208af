//! Servers on loopback ports, a thread each.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use sockeye_blocking::{ConnectOptions, Policy, WebSocket, accept, connect};

pub(crate) type Socket = WebSocket<TcpStream>;

/// Has a thread accept one connection and handle it.
pub(crate) fn serve<T: Send + 'static>(
    policy: Policy<'static>,
    handle: impl FnOnce(Socket) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    serve_stream(move |stream| handle(accept(stream, &policy).unwrap()))
}

/// The same, before the handshake.
pub(crate) fn serve_stream<T: Send + 'static>(
    handle: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || handle(listener.accept().unwrap().0)))
}

/// Sends every message back, to the end.
pub(crate) fn echo(mut socket: Socket) -> Socket {
    while let Some(message) = socket.read_message().unwrap() {
        socket.send(message).unwrap();
    }
    socket
}

pub(crate) fn client(address: SocketAddr, options: &ConnectOptions) -> Socket {
    connect(&format!("ws://{address}/chat"), options).unwrap()
}
