//! The network of the loop: connections that tasks of this process make, and no sockets.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sockeye_reactor::{Accepted, Key, MioNet, Net, Ready, Time, Waker};

use crate::pipe::{self, LoopEnd, Pipe, TaskEnd};

/// Connections that wait to be accepted at the most, as the backlog of a listening socket.
const BACKLOG_MAX: usize = 1_024;

/// Where tasks reach the loop.
#[derive(Debug)]
pub(crate) struct Gate {
    arrivals: Mutex<Arrivals>,
    /// Connections with news for the loop.
    listed: Mutex<Vec<Weak<Pipe>>>,
    /// The loop was woken since it last looked.
    is_woken: AtomicBool,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Arrivals {
    waiting: VecDeque<(LoopEnd, SocketAddr)>,
    /// One came since the loop looked. Those that it leaves waiting are no reason to look again.
    has_new: bool,
    is_closed: bool,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoConnection {
    /// The loop accepts nothing more.
    Closed,
    /// The backlog is full.
    Busy,
}

impl Gate {
    /// A connection to the loop, for a client with this address.
    pub(crate) fn connect(self: &Arc<Self>, peer: SocketAddr) -> Result<TaskEnd, NoConnection> {
        let mut arrivals = lock(&self.arrivals);
        if arrivals.is_closed {
            return Err(NoConnection::Closed);
        }
        if arrivals.waiting.len() >= BACKLOG_MAX {
            return Err(NoConnection::Busy);
        }
        let (task_end, loop_end) = pipe::pair(self);
        arrivals.waiting.push_back((loop_end, peer));
        arrivals.has_new = true;
        drop(arrivals);
        self.wake();
        Ok(task_end)
    }

    /// Refuses all connections from now on, and drops those that wait.
    pub(crate) fn close(&self) {
        let mut arrivals = lock(&self.arrivals);
        arrivals.is_closed = true;
        let waiting = core::mem::take(&mut arrivals.waiting);
        drop(arrivals);
        drop(waiting);
    }

    pub(crate) fn list(&self, pipe: &Arc<Pipe>) {
        lock(&self.listed).push(Arc::downgrade(pipe));
        self.wake();
    }

    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            // It fails only if the loop's poller is gone, and then nobody waits.
            let _ = self.waker.wake();
        }
    }

    /// Whether nothing has come since the last look. What comes from here on wakes the loop.
    fn is_quiet(&self) -> bool {
        self.is_woken.store(false, Ordering::Release);
        let has_new = core::mem::take(&mut lock(&self.arrivals).has_new);
        !has_new && lock(&self.listed).is_empty()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The network: mio has the clock and the wait.
#[derive(Debug)]
pub(crate) struct PipeNet {
    mio: MioNet,
    gate: Arc<Gate>,
}

impl PipeNet {
    pub(crate) fn new() -> io::Result<Self> {
        let mio = MioNet::new()?;
        let gate = Gate {
            arrivals: Mutex::default(),
            listed: Mutex::default(),
            is_woken: AtomicBool::new(false),
            waker: mio.waker(),
        };
        Ok(Self { mio, gate: Arc::new(gate) })
    }

    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    pub(crate) fn waker(&self) -> Waker {
        self.mio.waker()
    }
}

/// Also where the loop panics: nobody waits for it.
impl Drop for PipeNet {
    fn drop(&mut self) {
        self.gate.close();
    }
}

impl Net for PipeNet {
    type Socket = LoopEnd;

    fn now(&self) -> Time {
        self.mio.now()
    }

    fn now_us(&self) -> u64 {
        self.mio.now_us()
    }

    fn unix_ms(&self) -> u64 {
        self.mio.unix_ms()
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = if self.gate.is_quiet() { timeout } else { Some(Duration::ZERO) };
        self.mio.poll(timeout, ready)?;
        let listed = core::mem::take(&mut *lock(&self.gate.listed));
        // A pipe that is gone has no end at the loop.
        ready.extend(listed.iter().filter_map(|pipe| pipe.upgrade()?.take_news()));
        Ok(())
    }

    fn accept(&mut self) -> io::Result<Option<Accepted<LoopEnd>>> {
        let arrived = lock(&self.gate.arrivals).waiting.pop_front();
        Ok(arrived.map(|(socket, peer)| Accepted { socket, peer, listener: 0 }))
    }

    fn accept_ready(&self) -> bool {
        !lock(&self.gate.arrivals).waiting.is_empty()
    }

    fn stop_listening(&mut self) {
        self.gate.close();
    }

    fn register(&mut self, socket: &mut LoopEnd, key: Key) -> io::Result<()> {
        socket.register(key);
        Ok(())
    }

    fn close(&mut self, socket: LoopEnd) {
        drop(socket);
    }
}

#[cfg(test)]
mod tests {
    use sockeye_reactor::Socket as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const PEER: SocketAddr = sockeye_reactor::UNIX_PEER;

    /// A connection, accepted and registered under the key 7; its first news are taken.
    fn connected() -> (PipeNet, TaskEnd, LoopEnd) {
        let mut net = PipeNet::new().expect("there is a poller");
        let task_end = net.gate().connect(PEER).expect("it is open");
        assert_eq!(poll(&mut net), []);
        let mut loop_end = net.accept().expect("it cannot fail").expect("it waits").socket;
        net.register(&mut loop_end, Key::from_u64(7)).expect("it cannot fail");
        assert_eq!(poll(&mut net), [(false, true, false)]);
        (net, task_end, loop_end)
    }

    /// What the loop is told: readable, writable, closed by the peer. A wait that nobody ends fails by the count.
    fn poll(net: &mut PipeNet) -> Vec<(bool, bool, bool)> {
        let mut ready = Vec::new();
        net.poll(Some(Duration::ZERO), &mut ready).expect("the poller works");
        ready.iter().map(|it| (it.readable, it.writable, it.read_closed)).collect()
    }

    #[tokio::test]
    async fn a_task_that_goes_is_noticed() {
        let (mut net, task_end, mut loop_end) = connected();
        drop(task_end);
        assert_eq!(poll(&mut net), [(true, true, true)]);
        assert_eq!(loop_end.read(&mut [0; 8]).ok(), Some(0));
        assert_eq!(loop_end.write(b"a").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_full_direction_waits_for_half_of_its_room() {
        let (mut net, mut task_end, mut loop_end) = connected();
        let all = vec![7; 100_000];
        let len = loop_end.write(&all).expect("there is room");
        assert_eq!(len, 65_536);
        assert_eq!(loop_end.write(&all).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let mut buffer = vec![0; 32_767];
        task_end.read_exact(&mut buffer).await.expect("it is there");
        assert_eq!(poll(&mut net), []);
        task_end.read_exact(&mut buffer[..1]).await.expect("it is there");
        assert_eq!(poll(&mut net), [(false, true, false)]);
        assert_eq!(loop_end.write(&all).ok(), Some(32_768));
    }

    #[tokio::test]
    async fn any_split_brings_the_same_bytes() {
        let sent: Vec<u8> =
            (0..200_000_u32).map(|it| it.to_le_bytes()[0] ^ it.to_le_bytes()[1]).collect();
        for (written, read) in
            [(1, 4_096), (4_096, 1), (65_536, 65_536), (7_919, 104_729), (200_000, 3)]
        {
            let (mut net, mut task_end, mut loop_end) = connected();
            let whole = sent.clone();
            let task = tokio::spawn(async move {
                for piece in whole.chunks(written) {
                    task_end.write_all(piece).await.expect("it is open");
                }
                task_end.shutdown().await.expect("it cannot fail");
                task_end
            });
            let (mut got, mut buffer) = (Vec::new(), vec![0; read]);
            loop {
                match loop_end.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(len) => got.extend_from_slice(&buffer[..len]),
                    Err(why) => {
                        assert_eq!(why.kind(), io::ErrorKind::WouldBlock);
                        tokio::task::yield_now().await;
                        let _ = poll(&mut net);
                    }
                }
            }
            assert!(got == sent, "written by {written}, read by {read}");
            drop(task.await);
        }
    }

    #[test]
    fn nobody_waits_at_a_closed_gate_and_a_crowd_is_bounded() {
        let mut net = PipeNet::new().expect("there is a poller");
        let crowd: Vec<_> = (0..1_024).map(|_| net.gate().connect(PEER)).collect();
        assert!(crowd.iter().all(Result::is_ok));
        assert_eq!(net.gate().connect(PEER).err(), Some(NoConnection::Busy));
        net.stop_listening();
        assert_eq!(net.gate().connect(PEER).err(), Some(NoConnection::Closed));
        assert!(!net.accept_ready());
        // A loop that has panicked closes nothing.
        let gate = PipeNet::new().expect("there is a poller").gate();
        assert_eq!(gate.connect(PEER).err(), Some(NoConnection::Closed));
    }

    #[tokio::test]
    async fn a_task_learns_that_the_loop_has_dropped_its_end() {
        let (net, mut task_end, loop_end) = connected();
        let gone = tokio::spawn(task_end.gone());
        tokio::task::yield_now().await;
        assert!(!gone.is_finished());
        drop(loop_end);
        gone.await.expect("it has not panicked");
        assert_eq!(task_end.read(&mut [0; 8]).await.ok(), Some(0));
        assert_eq!(task_end.write(b"a").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        // A pipe that is listed and never taken keeps nothing alive.
        let gate = net.gate();
        drop((net, task_end));
        assert_eq!(Arc::strong_count(&gate), 1);
    }
}
