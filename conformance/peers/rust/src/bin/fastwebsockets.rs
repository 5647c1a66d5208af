//! Echo on fastwebsockets behind hyper, put together as its own examples do.

use std::convert::Infallible;

use fastwebsockets::{FragmentCollector, OpCode, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpStream;

fn main() {
    conformance_peers::listen(serve);
}

async fn serve(stream: TcpStream) {
    let io = hyper_util::rt::TokioIo::new(stream);
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(io, service_fn(answer)).with_upgrades().await;
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgraded = match upgrade::is_upgrade_request(&request) {
        true => upgrade::upgrade(&mut request).ok(),
        false => None,
    };
    let Some((response, socket)) = upgraded else {
        let mut refusal = Response::new(Empty::new());
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refusal);
    };
    tokio::task::spawn_local(async move {
        let _ = echo(socket).await;
    });
    Ok(response)
}

async fn echo(socket: upgrade::UpgradeFut) -> Result<(), fastwebsockets::WebSocketError> {
    let mut socket = FragmentCollector::new(socket.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
}
