//! A handle that ends a server from another thread.

use std::io;

use sockeye_reactor::Waker;

use crate::drain::{Ending, Wish};

/// Ends a server from another thread, or wakes its loop: see [`Server::handle`](crate::Server::handle).
///
/// # Examples
/// ```
/// use sockeye_server::{Answer, App, Context, Limits, MioNet, Reply, Request, Server, Status};
/// # struct Hello;
/// # impl App for Hello {
/// #     type Pending = ();
/// #     fn on_request(&mut self, _: &Request<'_>, _: &mut Context<'_>) -> Answer {
/// #         Reply::text(Status::OK, "hello\n").into()
/// #     }
/// # }
/// let net = MioNet::listen(std::net::TcpListener::bind("127.0.0.1:0")?)?;
/// let mut server = Server::new(net, Hello, Limits::default());
/// let handle = server.handle();
/// let asking = std::thread::spawn(move || handle.drain());
/// server.run()?; // until the drain is over
/// asking.join().expect("the thread has not panicked")?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) ending: Ending,
    pub(crate) waker: Waker,
}

impl Handle {
    /// Begins a drain: [`Server::drain`](crate::Server::drain) in the next turn, which comes at once.
    ///
    /// # Errors
    /// The system's error if the loop cannot be woken. The drain then begins with the next turn.
    pub fn drain(&self) -> io::Result<()> {
        self.ask(Wish::Drain)
    }

    /// Begins a short drain, or cuts one short: [`Server::drain_now`](crate::Server::drain_now) in the
    /// next turn, which comes at once.
    ///
    /// # Errors
    /// As [`Handle::drain`].
    pub fn drain_now(&self) -> io::Result<()> {
        self.ask(Wish::DrainNow)
    }

    /// Ends the present or the next wait of the loop.
    ///
    /// # Errors
    /// The system's error.
    pub fn wake(&self) -> io::Result<()> {
        self.waker.wake()
    }

    fn ask(&self, wish: Wish) -> io::Result<()> {
        self.ending.ask(wish);
        self.waker.wake()
    }
}
