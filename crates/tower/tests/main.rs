//! The hub inside a server of axum, on real sockets.

mod common;
mod ends;
mod heads;
mod http2;
mod streams;
