//! Echo on yawc behind hyper, with the buffers that its documentation suggests for throughput. With the argument `deflate` it
//! compresses at level 1, as ours do.

use std::convert::Infallible;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use load_peers::{Heard, MESSAGE_BYTES_MAX, Writes, echo, listen};
use tokio::net::TcpStream;
use yawc::{CompressionLevel, Frame, OpCode, Options, WebSocket};

fn main() {
    listen(serve);
}

async fn serve(stream: TcpStream, writes: Writes) {
    let io = hyper_util::rt::TokioIo::new(stream);
    let http = hyper::server::conn::http1::Builder::new();
    let answer = service_fn(|request| answer(request, writes));
    let _ = http.serve_connection(io, answer).with_upgrades().await;
}

async fn answer(
    mut request: Request<Incoming>,
    writes: Writes,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let options = Options::default()
        .with_no_delay()
        .with_utf8()
        .with_limits(MESSAGE_BYTES_MAX, 2 * MESSAGE_BYTES_MAX)
        .with_read_buffer_capacity(128 * 1024)
        .with_backpressure_boundary(64 * 1024);
    let options = match std::env::args().any(|it| it == "deflate") {
        true => options.with_compression_level(CompressionLevel::fast()),
        false => options,
    };
    let Ok((response, socket)) = WebSocket::upgrade_with_options(&mut request, options) else {
        let mut refusal = Response::new(Empty::new());
        *refusal.status_mut() = hyper::StatusCode::BAD_REQUEST;
        return Ok(refusal);
    };
    tokio::task::spawn_local(tokio::task::unconstrained(async move {
        let Ok(socket) = socket.await else { return };
        let data = |frame: Frame| match frame.opcode() {
            OpCode::Text | OpCode::Binary => Heard::Data(frame),
            _ => Heard::Other,
        };
        echo(socket, data, writes).await;
    }));
    let (parts, _) = response.into_parts();
    Ok(Response::from_parts(parts, Empty::new()))
}
