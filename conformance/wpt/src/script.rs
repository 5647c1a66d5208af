//! The behaviour of one stream: each endpoint is a script.

use sockeye_server::{CloseCode, Context, Message, Reply, StreamKey, Time};

/// One end of a conversation. What it does not care about it leaves out.
pub(crate) trait Script: Send {
    /// The stream is open.
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        let _ = stage;
    }

    /// A whole message came on a WebSocket.
    fn message(&mut self, message: Message<'_>, stage: &mut Stage<'_, '_>) {
        let _ = (message, stage);
    }

    /// Bytes came on a tunnel.
    fn bytes(&mut self, bytes: &[u8], stage: &mut Stage<'_, '_>) {
        let _ = (bytes, stage);
    }

    /// The time that was asked for has come.
    fn alarm(&mut self, stage: &mut Stage<'_, '_>) {
        let _ = stage;
    }

    /// Called when the output has left.
    fn drained(&mut self, stage: &mut Stage<'_, '_>) {
        let _ = stage;
    }
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
