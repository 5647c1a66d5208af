//! The behaviour of one stream: each endpoint is a script.

use sockeye_server::{CloseCode, Context, Message, Reply, StreamKey, Time};

/// One end of a conversation. What it does not care about it leaves out.
pub(crate) trait Script: Send {
    /// The stream is open.
    fn open(&mut self, _: &mut Stage<'_, '_>) {}

    /// A whole message came on a WebSocket.
    fn message(&mut self, _: Message<'_>, _: &mut Stage<'_, '_>) {}

    /// Bytes came on a tunnel.
    fn bytes(&mut self, _: &[u8], _: &mut Stage<'_, '_>) {}

    /// The time that was asked for has come.
    fn alarm(&mut self, _: &mut Stage<'_, '_>) {}

    /// Called when the output has left.
    fn drained(&mut self, _: &mut Stage<'_, '_>) {}
}

/// The objects that a script acts on.
pub(crate) struct Stage<'s, 'c> {
    pub(crate) stream: StreamKey,
    pub(crate) context: &'s mut Context<'c>,
    /// When it wants to be woken.
    pub(crate) alarm: Option<Time>,
}

/// Sending ignores errors: the host hears of a closed stream anyway.
impl Stage<'_, '_> {
    pub(crate) fn send(&mut self, message: Message<'_>) {
        let _ = self.context.send(self.stream, message);
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let _ = self.context.send_bytes(self.stream, bytes);
    }

    pub(crate) fn respond(&mut self, reply: Reply) {
        let _ = self.context.respond(self.stream, reply);
    }

    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        self.context.close(self.stream, code, reason);
    }

    /// Ends the stream as a handler does that has nothing more to say.
    pub(crate) fn end(&mut self) {
        self.close(CloseCode::NORMAL, "");
    }

    pub(crate) fn pause(&mut self, ms: u64) {
        self.context.pause(self.stream, ms);
    }

    pub(crate) fn wake_in(&mut self, ms: u64) {
        self.alarm = Some(self.context.now() + ms);
    }
}

/// A script that acts when its stream opens, and at nothing else.
pub(crate) fn on_open(act: impl FnMut(&mut Stage<'_, '_>) + Send + 'static) -> Box<dyn Script> {
    struct OnOpen<F>(F);

    impl<F: FnMut(&mut Stage<'_, '_>) + Send> Script for OnOpen<F> {
        fn open(&mut self, stage: &mut Stage<'_, '_>) {
            self.0(stage);
        }
    }
    Box::new(OnOpen(act))
}

/// A script that acts at each message, and at nothing else.
pub(crate) fn on_message(
    act: impl FnMut(Message<'_>, &mut Stage<'_, '_>) + Send + 'static,
) -> Box<dyn Script> {
    struct OnMessage<F>(F);

    impl<F: FnMut(Message<'_>, &mut Stage<'_, '_>) + Send> Script for OnMessage<F> {
        fn message(&mut self, message: Message<'_>, stage: &mut Stage<'_, '_>) {
            self.0(message, stage);
        }
    }
    Box::new(OnMessage(act))
}

/// Answers a held request after a while.
pub(crate) struct Later {
    pub(crate) reply: Option<Reply>,
    pub(crate) ms: u64,
}

impl Script for Later {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        stage.wake_in(self.ms);
    }

    fn alarm(&mut self, stage: &mut Stage<'_, '_>) {
        if let Some(reply) = self.reply.take() {
            stage.respond(reply);
        }
    }
}

/// Writes the same again and again, behind a head that it writes first.
pub(crate) struct Repeat {
    pub(crate) head: &'static [u8],
    pub(crate) block: &'static [u8],
    pub(crate) ms: u64,
}

impl Script for Repeat {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        stage.write(self.head);
        self.alarm(stage);
    }

    fn alarm(&mut self, stage: &mut Stage<'_, '_>) {
        stage.write(self.block);
        stage.wake_in(self.ms);
    }
}
