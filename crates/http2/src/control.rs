//! The frames that are neither content nor fields (RFC 9113 §6.3 to §6.9).

use alloc::vec::Vec;

use crate::connection::Going;
use crate::frame::{Frame, FrameError, PAYLOAD_BYTES_MAX, Setting, SettingId, Settings};
use crate::life::{Action, Input, State, step};
use crate::{
    Connection, ConnectionError, ErrorCode, Event, Flood, ResetCause, Role, StreamError, StreamId,
};

type Handled = Result<Option<Event<'static>>, ConnectionError>;

impl Connection {
    /// Looks an input up for a stream and moves the stream to its next state.
    pub(crate) fn transition(&mut self, stream: StreamId, input: Input) -> Action {
        let state = self.streams.state(stream, self.role);
        let (next, action) = step(state, input);
        if next != state {
            self.streams.set_state(stream, next, self.config.limits.closed_streams_max);
        }
        action
    }

    /// Ends a stream for a fault of the peer. A peer that makes us reset streams is as one that resets
    /// them.
    pub(crate) fn fault(
        &mut self,
        stream: StreamId,
        error: StreamError,
        out: &mut Vec<u8>,
    ) -> Result<Event<'static>, ConnectionError> {
        self.transition(stream, Input::SendRst);
        self.refuse(stream, error.code(), out)?;
        Ok(Event::Reset { stream, cause: ResetCause::Fault(error) })
    }

    /// Appends an RST_STREAM frame that is the peer's fault.
    pub(crate) fn refuse(
        &mut self,
        stream: StreamId,
        code: ErrorCode,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        self.resets_sent = self.resets_sent.wrapping_add(1);
        self.reply(Frame::RstStream { stream, code }, out)?;
        // [http2:10.5-made-you-reset]
        self.buckets.add(Flood::Resets, &self.config.limits)
    }

    /// A malformed frame that ends only its stream. Without a stream that lives, it ends the connection: no
    /// other stream may be reset.
    pub(crate) fn fault_of_frame(
        &mut self,
        stream: StreamId,
        error: FrameError,
        out: &mut Vec<u8>,
    ) -> Handled {
        match self.streams.state(stream, self.role) {
            State::Open | State::HalfClosedLocal | State::HalfClosedRemote => {
                self.fault(stream, StreamError::Frame(error), out).map(Some)
            }
            State::Unopened | State::Idle | State::Reset | State::Closed | State::Forgotten => {
                Err(error.into())
            }
        }
    }

    /// Priorities have no effect.
    pub(crate) fn on_priority(&mut self, stream: StreamId) -> Handled {
        self.transition(stream, Input::ReceivePriority);
        self.buckets.add(Flood::Priorities, &self.config.limits).map(|()| None)
    }

    pub(crate) fn on_push_promise(&mut self, stream: StreamId) -> Handled {
        match self.transition(stream, Input::ReceivePush) {
            Action::Fail(error) => Err(error),
            Action::Deliver
            | Action::Ignore
            | Action::Discard
            | Action::Reset
            | Action::Send
            | Action::Refuse => Ok(None),
        }
    }

    pub(crate) fn on_rst_stream(&mut self, stream: StreamId, code: ErrorCode) -> Handled {
        let is_answered = self.streams.find(stream).is_none_or(|stream| stream.sent_head);
        // Behind an answer that is not written yet the peer did not wait for it, either.
        let is_rapid = !is_answered || stream > self.sent_up_to;
        match self.transition(stream, Input::ReceiveRst) {
            Action::Deliver => {
                // [http2:10.5-rapid-reset]
                if is_rapid && self.role == Role::Server {
                    self.buckets.add(Flood::Resets, &self.config.limits)?;
                }
                Ok(Some(Event::Reset { stream, cause: ResetCause::Peer(code) }))
            }
            Action::Fail(error) => Err(error),
            Action::Ignore | Action::Discard | Action::Reset | Action::Send | Action::Refuse => {
                self.buckets.add(Flood::LateFrames, &self.config.limits).map(|()| None)
            }
        }
    }

    pub(crate) fn on_window_update(
        &mut self,
        stream: StreamId,
        increment: u32,
        out: &mut Vec<u8>,
    ) -> Handled {
        self.buckets.add(Flood::WindowUpdates, &self.config.limits)?;
        if stream == StreamId::CONNECTION {
            return self.widen_connection(increment);
        }
        match self.transition(stream, Input::ReceiveWindowUpdate) {
            Action::Deliver => self.widen_stream(stream, increment, out),
            Action::Fail(error) => Err(error),
            Action::Ignore | Action::Discard | Action::Reset | Action::Send | Action::Refuse => {
                Ok(None)
            }
        }
    }

    pub(crate) fn on_ping(&mut self, ack: bool, payload: [u8; 8], out: &mut Vec<u8>) -> Handled {
        self.buckets.add(Flood::Pings, &self.config.limits)?;
        if !ack {
            // [http2:6.7-ping-answered]
            return self.reply(Frame::Ping { ack: true, payload }, out).map(|()| None);
        }
        if self.is_drained_by(payload) {
            self.go_away(ErrorCode::NO_ERROR, out);
            return Ok(Some(Event::Draining));
        }
        Ok(Some(Event::Pong(payload)))
    }

    pub(crate) fn on_goaway(&mut self, last: StreamId, code: ErrorCode) -> Handled {
        self.buckets.add(Flood::Settings, &self.config.limits)?;
        // [http2:6.8-goaway-received]
        let last = self.peer.last.map_or(last, |before| before.min(last));
        self.peer.last = Some(last);
        if self.role == Role::Client {
            self.streams.remove_above(last);
        }
        Ok(Some(Event::Goaway { last, code }))
    }

    pub(crate) fn on_settings(&mut self, settings: Settings<'_>, out: &mut Vec<u8>) -> Handled {
        self.buckets.add(Flood::Settings, &self.config.limits)?;
        // [http2:6.5.3-settings-in-order]
        for setting in settings.iter() {
            self.apply(setting)?;
        }
        self.peer.is_known = true;
        // [http2:6.5.3-settings-acknowledged]
        self.reply(Frame::SettingsAck, out)?;
        Ok(Some(Event::Settings))
    }

    pub(crate) fn on_settings_ack(&mut self) -> Handled {
        if self.settings_acked {
            return Err(ConnectionError::SettingsAck);
        }
        self.settings_acked = true;
        // [http2:4.3.1-table-size-acknowledged]
        self.decoder.table_bytes_acknowledged(self.config.limits.table_bytes);
        Ok(None)
    }

    fn apply(&mut self, Setting { id, value }: Setting) -> Result<(), ConnectionError> {
        let is_flag = value <= 1;
        let is_valid = match id {
            SettingId::HEADER_TABLE_SIZE => {
                self.encoder.table_bytes_announced(value);
                true
            }
            // [http2:6.5.2-enable-push]
            SettingId::ENABLE_PUSH => is_flag && (value == 0 || self.role == Role::Server),
            SettingId::MAX_CONCURRENT_STREAMS => {
                self.peer.streams_max = value;
                true
            }
            SettingId::INITIAL_WINDOW_SIZE if value <= crate::flow::WINDOW_MAX => {
                return self.set_send_initial(value);
            }
            SettingId::INITIAL_WINDOW_SIZE => false,
            // [http2:6.5.2-max-frame-size]
            SettingId::MAX_FRAME_SIZE => (PAYLOAD_BYTES_MAX..=0x00ff_ffff).contains(&value),
            // [http2:8441.3-not-withdrawn]
            SettingId::ENABLE_CONNECT_PROTOCOL => {
                let is_withdrawn = self.peer.connect_protocol && value == 0;
                self.peer.connect_protocol = value == 1;
                is_flag && !is_withdrawn
            }
            // [http2:9218.2.1-no-priorities-fixed]
            SettingId::NO_RFC7540_PRIORITIES => {
                let was = core::mem::replace(&mut self.peer.no_priorities, value == 1);
                is_flag && (!self.peer.is_known || was == (value == 1))
            }
            // Advice (MAX_HEADER_LIST_SIZE), and unknown settings. [http2:6.5.2-unknown-settings]
            _ => true,
        };
        if is_valid { Ok(()) } else { Err(ConnectionError::Setting(id)) }
    }

    /// Whether a new stream of the peer is beyond the last one that we process.
    pub(crate) fn is_beyond_last(&self, stream: StreamId) -> bool {
        // [http2:6.8-streams-above-last]
        matches!(self.going, Going::Last(last) if stream > last)
    }
}
