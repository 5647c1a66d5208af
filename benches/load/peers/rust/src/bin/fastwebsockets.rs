//! Echo on fastwebsockets behind hyper, as its own example does. It has no queue: a frame is a write.

use std::convert::Infallible;

use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use load_peers::{MESSAGE_BYTES_MAX, Writes, listen};
use tokio::net::TcpStream;

fn main() {
    listen(serve);
}

async fn serve(stream: TcpStream, _: Writes) {
    let io = hyper_util::rt::TokioIo::new(stream);
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(io, service_fn(answer)).with_upgrades().await;
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let Ok((response, socket)) = upgrade::upgrade(&mut request) else {
        let mut refusal = Response::new(Empty::new());
        *refusal.status_mut() = hyper::StatusCode::BAD_REQUEST;
        return Ok(refusal);
    };
    tokio::task::spawn_local(tokio::task::unconstrained(async move {
        let _ = echo(socket).await;
    }));
    Ok(response)
}

async fn echo(socket: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = socket.await?;
    socket.set_max_message_size(MESSAGE_BYTES_MAX);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
}
