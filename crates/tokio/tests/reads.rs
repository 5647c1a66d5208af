//! How many reads a large message takes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use sockeye_tokio::{Message, Settings};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf, duplex, join, sink};

use crate::common::{client_on, run, server_on};

/// The bytes of one read: how many there was room for, and how many came.
type Read = (usize, usize);

/// A stream whose reads bring no more than one piece. `None`: there is nothing for now.
struct Pieces {
    pieces: VecDeque<Option<Vec<u8>>>,
    reads: Arc<Mutex<Vec<Read>>>,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(Some(mut piece)) = self.pieces.pop_front() else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let rest = piece.split_off(piece.len().min(buf.remaining()));
        self.reads.lock().unwrap().push((buf.remaining(), piece.len()));
        buf.put_slice(&piece);
        if !rest.is_empty() {
            self.pieces.push_front(Some(rest));
        }
        Poll::Ready(Ok(()))
    }
}

const PAYLOAD: usize = 64 * 1024;
const FRAME: usize = PAYLOAD + 14;

async fn frame() -> Vec<u8> {
    let (ours, mut theirs) = duplex(2 * FRAME);
    let mut client = client_on(ours, Settings::default());
    client.send(Message::Binary(vec![7; PAYLOAD])).await.unwrap();
    let mut frame = vec![0; FRAME];
    theirs.read_exact(&mut frame).await.unwrap();
    frame
}

/// The reads of each message. All come in pieces of these sizes, with a pause before the next one.
async fn reads(messages: usize, sizes: &[usize]) -> Vec<Vec<Read>> {
    let frame = frame().await;
    let mut pieces = VecDeque::new();
    for _ in 0..messages {
        let mut rest = &frame[..];
        for size in sizes {
            let (piece, after) = rest.split_at(*size);
            pieces.push_back(Some(piece.to_vec()));
            rest = after;
        }
        assert!(rest.is_empty());
        pieces.push_back(None);
    }
    reads_of(pieces, messages).await
}

async fn reads_of(pieces: VecDeque<Option<Vec<u8>>>, messages: usize) -> Vec<Vec<Read>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let stream = Pieces { pieces, reads: Arc::clone(&seen) };
    let mut server = server_on(join(stream, sink()), Settings::default());
    let mut all = Vec::new();
    for _ in 0..messages {
        let message = server.receive().await.unwrap();
        assert_eq!(message, Ok(Message::Binary(vec![7; PAYLOAD])));
        all.push(core::mem::take(&mut *seen.lock().unwrap()));
    }
    all
}

/// One read brings the message and shows that nothing is behind it, so tokio does not ask the system again.
#[test]
fn a_message_that_is_there_takes_one_read() {
    run(async {
        let reads = reads(10, &[FRAME]).await;
        for reads in &reads[3..] {
            assert!(matches!(reads[..], [(room, FRAME)] if room > FRAME), "{reads:?}");
        }
    });
}

/// The peer begins to send several at a time. The byte too much costs one copy, and then each read ends with a message again.
#[test]
fn reads_end_with_messages_when_several_come_at_a_time() {
    run(async {
        let frame = frame().await;
        let mut pieces = VecDeque::new();
        for _ in 0..5 {
            pieces.extend([Some(frame.clone()), None]);
        }
        pieces.push_back(Some(frame.repeat(10)));
        let reads = reads_of(pieces, 15).await;
        let rooms: Vec<_> = reads[5..].iter().map(|reads| reads[0].0).collect();
        assert_eq!(rooms[..2], [FRAME + 1, FRAME - 1]);
        assert_eq!(rooms[2..], [FRAME; 8]);
    });
}

/// A system brings the first 64 KiB of a message, and its last bytes a moment later. The next reads are as large as before.
#[test]
fn a_few_last_bytes_make_no_later_read_smaller() {
    run(async {
        for reads in &reads(10, &[PAYLOAD, FRAME - PAYLOAD]).await[3..] {
            assert_eq!(reads.iter().map(|(_, len)| *len).collect::<Vec<_>>(), [PAYLOAD, 14]);
        }
    });
}

/// A stream may fill with zeros whatever it is offered. So one that brings little is offered little.
#[test]
fn a_stream_that_brings_little_is_offered_little() {
    run(async {
        let reads = reads(3, &[950; 69]).await;
        let offered: usize = reads[2].iter().map(|(room, _)| room).sum();
        assert!(offered <= 69 * 16 * 1024, "{offered} bytes");
    });
}
