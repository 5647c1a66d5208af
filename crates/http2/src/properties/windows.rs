//! A naive account of windows: it reads whole frames of both directions, and keeps every number.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::frame::{Frame, FrameHead, HEAD_BYTES, SettingId};
use crate::{PREFACE, StreamId};

/// The windows of one sender, as it may know them: the peer's frames count when they have arrived.
#[derive(Default)]
pub(super) struct Sender {
    /// Bytes of the peer that arrived and are no whole frame yet.
    arrived: Vec<u8>,
    /// Bytes of the sender that are no whole frame yet.
    sent: Vec<u8>,
    skip_preface: bool,
    initial: i64,
    connection: i64,
    streams: BTreeMap<StreamId, i64>,
}

impl Sender {
    pub(super) fn new(is_client: bool) -> Self {
        Self { skip_preface: is_client, initial: 65_535, connection: 65_535, ..Self::default() }
    }

    /// The peer's bytes arrive.
    pub(super) fn arrive(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
        if !self.skip_preface && self.arrived.starts_with(PREFACE) {
            self.arrived.drain(..PREFACE.len());
        } else if PREFACE.starts_with(&self.arrived) {
            return;
        }
        for (head, payload) in frames(&mut self.arrived) {
            match Frame::parse(head, &payload).expect("a frame of ours") {
                Frame::Settings(settings) => {
                    for setting in settings.iter() {
                        if setting.id == SettingId::INITIAL_WINDOW_SIZE {
                            let change = i64::from(setting.value) - self.initial;
                            self.streams.values_mut().for_each(|window| *window += change);
                            self.initial += change;
                        }
                    }
                }
                Frame::WindowUpdate { stream: StreamId::CONNECTION, increment } => {
                    self.connection += i64::from(increment);
                }
                Frame::WindowUpdate { stream, increment } => {
                    *self.streams.entry(stream).or_insert(self.initial) += i64::from(increment);
                }
                _ => {}
            }
        }
    }

    /// The sender has sent bytes: whole frames.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        if core::mem::take(&mut self.skip_preface) {
            assert!(self.sent.starts_with(PREFACE));
            self.sent.drain(..PREFACE.len());
        }
        for (head, payload) in frames(&mut self.sent) {
            match Frame::parse(head, &payload).expect("a frame of ours") {
                Frame::Headers { stream, .. } => {
                    self.streams.entry(stream).or_insert(self.initial);
                }
                Frame::Data { stream, data, .. } => {
                    let len = data.len() as i64;
                    self.connection -= len;
                    let window = self.streams.entry(stream).or_insert(self.initial);
                    *window -= len;
                    assert!(len == 0 || (*window >= 0 && self.connection >= 0), "above a window");
                }
                _ => {}
            }
        }
        assert!(self.sent.is_empty(), "whole frames");
    }

    /// How much the sender may send on a stream.
    pub(super) fn capacity(&self, stream: StreamId) -> usize {
        let window = self.streams.get(&stream).copied().unwrap_or(self.initial);
        usize::try_from(window.min(self.connection)).unwrap_or(0)
    }
}

/// Takes the whole frames off bytes.
fn frames(bytes: &mut Vec<u8>) -> Vec<(FrameHead, Vec<u8>)> {
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some((head, rest)) = bytes[at..].split_first_chunk::<HEAD_BYTES>() {
        let head = FrameHead::parse(*head);
        let Some(payload) = rest.get(..head.len as usize) else { break };
        all.push((head, payload.to_vec()));
        at += HEAD_BYTES + payload.len();
    }
    bytes.drain(..at);
    all
}
