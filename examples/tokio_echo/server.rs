//! The server: a task that accepts, and a task for each connection.

use std::rc::Rc;

use sockeye_deflate::{EXTENSION_NAME, Params, ServerConfig, accept_offer};
use sockeye_handshake::{Extensions, Policy, decide};
use sockeye_http1::{Body, HeadEnd, HeaderStorage, Limits, Persistence, RequestHead, Response};
use sockeye_websocket::Closed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::end::End;
use crate::{Failure, PATIENCE, SharedEngine};

/// Serves that many clients at a time, and says how each connection ended.
pub(crate) async fn serve(
    listener: TcpListener,
    clients: usize,
    engine: SharedEngine,
) -> Result<Vec<Closed>, Failure> {
    let mut connections = Vec::new();
    while connections.len() < clients {
        let (stream, _) = listener.accept().await?;
        connections.push(spawn_local(serve_one(stream, Rc::clone(&engine))));
    }
    let mut ends = Vec::new();
    for connection in connections {
        ends.push(connection.await??);
    }
    Ok(ends)
}

async fn serve_one(mut stream: TcpStream, engine: SharedEngine) -> Result<Closed, Failure> {
    stream.set_nodelay(true)?;
    let (params, mut early) = timeout(PATIENCE, open(&mut stream)).await??;
    let mut end = End::server(params, engine);
    echo(&mut end, &mut early)?;

    let mut buffer = [0; 4096];
    loop {
        timeout(PATIENCE, stream.write_all(&end.out)).await??;
        end.out.clear();
        if end.expects_eof() {
            // Ours ends first. Then we read on until theirs has ended, too: closing with unread
            // input might destroy our Close frame on its way.
            stream.shutdown().await?;
            while timeout(PATIENCE, stream.read(&mut buffer)).await?? != 0 {}
            return Ok(end.receive_eof());
        }
        match timeout(PATIENCE, stream.read(&mut buffer)).await?? {
            0 => return Ok(end.receive_eof()),
            len => echo(&mut end, &mut buffer[..len])?,
        }
    }
}

/// The application: what it hears, it says.
fn echo(end: &mut End, mut input: &mut [u8]) -> Result<(), Failure> {
    while let Some(text) = end.hear(&mut input) {
        end.say(&text)?;
    }
    Ok(())
}

/// Reads the request and answers it. Returns the compression that was agreed on, and what came
/// behind the request.
async fn open(stream: &mut TcpStream) -> Result<(Option<Params>, Vec<u8>), Failure> {
    let (mut head_end, mut received, mut out) = (HeadEnd::new(), Vec::new(), Vec::new());
    let answered = loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err("the client left inside its request".into());
        }
        match head_end.find(&received, &Limits::DEFAULT) {
            Ok(None) => {}
            Ok(Some(len)) => {
                let early = received.split_off(len);
                break answer(&received, &mut out).map(|params| (params, early));
            }
            Err(error) => {
                refuse(error, &mut out);
                break Err(error.into());
            }
        }
    };
    stream.write_all(&out).await?;
    answered
}

/// Appends the answer to a complete head. An error says that it refuses.
fn answer(head: &[u8], out: &mut Vec<u8>) -> Result<Option<Params>, Failure> {
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(head, &mut storage, &Limits::DEFAULT)
        .inspect_err(|&error| refuse(error, out))?;
    let accept =
        decide(&head, &Policy::default()).inspect_err(|reject| reject.write_response(None, out))?;
    let params = negotiate(accept.offers());
    let extensions = match params {
        Some(params) => Extensions::parse([params.to_string().as_bytes()])?,
        None => Extensions::new(),
    };
    accept.write_response(&extensions, &[], out)?;
    Ok(params)
}

/// The first offer that we can agree to; a client lists them by preference.
fn negotiate(offers: &Extensions) -> Option<Params> {
    let mut offers = offers.iter().filter(|offer| offer.name() == EXTENSION_NAME);
    offers.find_map(|offer| accept_offer(offer.params(), &ServerConfig::default()))
}

fn refuse(error: sockeye_http1::Error, out: &mut Vec<u8>) {
    Response::new(error.status()).connection(Persistence::Close).write(Body::Empty, out);
}
