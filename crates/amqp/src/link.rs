//! A connection to a server, and its channels. Every wait has an end.

use bytes::BytesMut;
use sockeye_backbone::driver::stream::{self, Security, Stream};
use sockeye_backbone::{Trouble, TroubleKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::frame::{self, Arrival, FRAME_BYTES_MAX, Frames};
use crate::method::{Answer, Closed, Request};
use crate::trouble::Place;
use crate::wire::{Table, Value};

/// The seconds without a frame after which a server may leave. Each side sends one at least twice in this time.
const HEARTBEAT_SECONDS: u16 = 20;
const BEAT_AFTER: Duration = Duration::from_secs(5);

/// The pause before a stream that does not work yet is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The highest number of a channel.
const CHANNEL_MAX: u16 = 1_000;

/// The oldest RabbitMQ that has streams.
const VERSION_MIN: (u32, u32) = (3, 9);

/// A connection that has logged in.
pub(crate) struct Link<'c> {
    pub(crate) place: Place<'c>,
    stream: Box<dyn Stream>,
    arrived: BytesMut,
    out: BytesMut,
    frames: Frames,
    frame_bytes_max: usize,
    channel_max: u16,
    /// The newest channel that was opened.
    channel: u16,
    sent_at: Instant,
    /// Why the server takes no messages, if it takes none.
    pub(crate) blocked: Option<Box<str>>,
}

impl<'c> Link<'c> {
    /// Connects and logs in.
    pub(crate) async fn open(place: Place<'c>) -> Result<Self, Trouble> {
        timeout(place.config.patience(), Self::connect(place)).await.map_err(|_| place.late())?
    }

    async fn connect(place: Place<'c>) -> Result<Self, Trouble> {
        let Place { server, config } = place;
        let security = match config.uses_tls {
            true => Security::Tls(config.tls.as_ref()),
            false => Security::Plain,
        };
        let mut link = Self {
            place,
            stream: stream::connect(server, security).await?,
            arrived: BytesMut::new(),
            out: BytesMut::from(&b"AMQP\0\0\x09\x01"[..]),
            frames: Frames::default(),
            frame_bytes_max: 4_096,
            channel_max: CHANNEL_MAX,
            channel: 0,
            sent_at: Instant::now(),
            blocked: None,
        };
        link.flush().await?;
        link.log_in().await?;
        Ok(link)
    }

    async fn log_in(&mut self) -> Result<(), Trouble> {
        let config = self.place.config;
        let Answer::Start { properties, mechanisms } = self.answer().await? else {
            return Err(self.place.strange());
        };
        check_version(self.place, &properties)?;
        if !mechanisms.split(' ').any(|known| known == "PLAIN") {
            let what = "offers no login by a password (auth_mechanisms has no PLAIN)";
            return Err(self.place.trouble(TroubleKind::Login, what));
        }
        let response = format!("\0{}\0{}", config.user(), config.password());
        let properties = &properties_of_ours();
        let response = response.as_bytes();
        self.push(0, &Request::StartOk { properties, mechanism: "PLAIN", response });
        self.flush().await?;
        let Answer::Tune { channel_max, frame_max } = self.answer().await? else {
            return Err(self.place.strange());
        };
        // Zero is no bound.
        let frame_max = Some(frame_max).filter(|bytes| *bytes > 0).unwrap_or(u32::MAX);
        let frame_max = frame_max.clamp(4_096, FRAME_BYTES_MAX);
        self.frame_bytes_max = usize::try_from(frame_max).unwrap_or(usize::MAX);
        let channel_max = Some(channel_max).filter(|count| *count > 0).unwrap_or(u16::MAX);
        self.channel_max = channel_max.min(CHANNEL_MAX);
        let (channel_max, heartbeat) = (self.channel_max, HEARTBEAT_SECONDS);
        self.push(0, &Request::TuneOk { channel_max, frame_max, heartbeat });
        self.push(0, &Request::Open { vhost: &config.vhost });
        self.flush().await?;
        match self.answer().await? {
            Answer::OpenOk => Ok(()),
            _ => Err(self.place.strange()),
        }
    }

    // --- Sending ---------------------------------------------------------------------------------

    /// Adds a method to what is sent next.
    pub(crate) fn push(&mut self, channel: u16, request: &Request<'_>) {
        frame::put_method(&mut self.out, channel, request);
    }

    /// Adds a message to what is sent next.
    pub(crate) fn push_message(&mut self, channel: u16, request: &Request<'_>, body: &[u8]) {
        self.push(channel, request);
        frame::put_content(&mut self.out, channel, body, self.frame_bytes_max);
    }

    /// Sends what was added.
    pub(crate) async fn flush(&mut self) -> Result<(), Trouble> {
        let sent = timeout(self.place.config.patience(), self.stream.write_all(&self.out)).await;
        let sent = sent.map_err(|_| self.place.late())?;
        sent.map_err(|error| stream::trouble_of(&error, self.place.server))?;
        self.out.clear();
        self.sent_at = Instant::now();
        Ok(())
    }

    /// Sends a sign of life, if nothing was sent for some time.
    pub(crate) async fn beat(&mut self) -> Result<(), Trouble> {
        if self.sent_at.elapsed() > BEAT_AFTER {
            frame::put_heartbeat(&mut self.out);
            self.flush().await?;
        }
        Ok(())
    }

    // --- Receiving -------------------------------------------------------------------------------

    /// Waits for a method or a message. This may be dropped, and asked for again.
    pub(crate) async fn receive(&mut self) -> Result<Arrival, Trouble> {
        loop {
            if let Some(arrival) = self.receive_now()? {
                return Ok(arrival);
            }
            let read = self.stream.read_buf(&mut self.arrived).await;
            let read = read.map_err(|error| stream::trouble_of(&error, self.place.server))?;
            if read == 0 {
                let what = "closed the connection";
                return Err(self.place.trouble(TroubleKind::Unreachable, what));
            }
        }
    }

    /// The next method or message that has arrived.
    pub(crate) fn receive_now(&mut self) -> Result<Option<Arrival>, Trouble> {
        while let Some(arrival) =
            self.frames.next(&mut self.arrived).map_err(|_| self.place.strange())?
        {
            match arrival.answer {
                Answer::Close(closed) if arrival.channel == 0 => {
                    return Err(self.place.of_closed(&closed));
                }
                Answer::Blocked { reason } => self.blocked = Some(reason),
                Answer::Unblocked => self.blocked = None,
                _ => return Ok(Some(arrival)),
            }
        }
        Ok(None)
    }

    async fn answer(&mut self) -> Result<Answer, Trouble> {
        Ok(self.receive().await?.answer)
    }

    // --- Requests --------------------------------------------------------------------------------

    /// Opens a channel.
    pub(crate) async fn open_channel(&mut self) -> Result<u16, Trouble> {
        self.channel = self.channel % self.channel_max + 1;
        let channel = self.channel;
        self.ask(channel, &Request::ChannelOpen).await?.map_err(|it| self.place.of_closed(&it))?;
        Ok(channel)
    }

    /// Sends requests on a new channel, one behind the answer to the other, and again for some time while the server says
    /// that the stream does not work yet. The channel stays open.
    pub(crate) async fn ask_stream(
        &mut self,
        requests: &[Request<'_>],
        within: Duration,
    ) -> Result<Result<(u16, Answer), Closed>, Trouble> {
        let late = Instant::now() + within;
        loop {
            let channel = self.open_channel().await?;
            let closed = match self.ask_all(channel, requests).await? {
                Ok(answer) => return Ok(Ok((channel, answer))),
                Err(closed) => closed,
            };
            if !closed.is_starting() || Instant::now() >= late {
                return Ok(Err(closed));
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    async fn ask_all(
        &mut self,
        channel: u16,
        requests: &[Request<'_>],
    ) -> Result<Result<Answer, Closed>, Trouble> {
        let mut answer = Ok(Answer::Done);
        for request in requests {
            answer = self.ask(channel, request).await?;
            if answer.is_err() {
                break;
            }
        }
        Ok(answer)
    }

    /// Closes a channel. What has arrived on it is dropped.
    pub(crate) async fn close_channel(&mut self, channel: u16) -> Result<(), Trouble> {
        // A channel that the server closes at the same time is closed, too.
        self.ask(channel, &Request::ChannelClose).await.map(|_| ())
    }

    /// Sends a request, and waits for its answer within the patience. Messages that arrive meanwhile are dropped. The
    /// channel may be closed instead.
    pub(crate) async fn ask(
        &mut self,
        channel: u16,
        request: &Request<'_>,
    ) -> Result<Result<Answer, Closed>, Trouble> {
        self.push(channel, request);
        self.flush().await?;
        let place = self.place;
        let answered = timeout(place.config.patience(), self.answer_on(channel)).await;
        let answer = answered.map_err(|_| place.late())??;
        if let Answer::Close(closed) = answer {
            self.confirm_close(channel).await?;
            return Ok(Err(closed));
        }
        Ok(Ok(answer))
    }

    /// Agrees that a channel is closed.
    pub(crate) async fn confirm_close(&mut self, channel: u16) -> Result<(), Trouble> {
        self.push(channel, &Request::ChannelCloseOk);
        self.flush().await
    }

    async fn answer_on(&mut self, channel: u16) -> Result<Answer, Trouble> {
        loop {
            let arrival = self.receive().await?;
            let is_answer = matches!(
                arrival.answer,
                Answer::Close(_)
                    | Answer::ChannelCloseOk
                    | Answer::QueueOk { .. }
                    | Answer::Done
                    | Answer::ConsumeOk
            );
            if arrival.channel == channel && is_answer {
                return Ok(arrival.answer);
            }
        }
    }
}

/// The abilities of this side. A server tells less to a client without them.
fn properties_of_ours() -> Table {
    let capabilities = [
        "authentication_failure_close",
        "basic.nack",
        "connection.blocked",
        "consumer_cancel_notify",
        "publisher_confirms",
    ];
    let capabilities =
        capabilities.iter().fold(Table::default(), |table, name| table.with(name, Value::Truth));
    Table::default()
        .with("product", Value::Text("sockeye".into()))
        .with("capabilities", Value::Table(capabilities))
}

/// Whether the server is a RabbitMQ that has streams.
fn check_version(place: Place<'_>, properties: &Table) -> Result<(), Trouble> {
    if properties.text("product") != Some("RabbitMQ") {
        let what = "is no RabbitMQ, and streams are its own";
        return Err(place.trouble(TroubleKind::Version, what));
    }
    let text = properties.text("version").unwrap_or_default();
    let mut numbers = text.split('.').map(|number| number.parse::<u32>().ok());
    let version = numbers.next().flatten().zip(numbers.next().flatten());
    if version.is_none_or(|version| version < VERSION_MIN) {
        let text = text.escape_debug();
        let what = format!("is RabbitMQ {text}, and streams are in 3.9 and newer");
        return Err(place.trouble(TroubleKind::Version, what));
    }
    Ok(())
}
