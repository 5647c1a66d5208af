//! A connection to a server: requests, and their answers in the same order. Every wait has an end.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{
    Decodable as _, Encodable as _, HeaderVersion as _, Request, StrBytes,
};
use sockeye_backbone::driver::stream::{self, Security, Stream};
use sockeye_backbone::{Trouble, TroubleKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::sasl;
use crate::trouble::Place;
use crate::versions::Versions;

/// The bytes of an answer. Kafka sends no more than was asked for and one batch.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A connection that has logged in.
pub(crate) struct Link<'c> {
    pub(crate) place: Place<'c>,
    wire: Wire,
}

/// A connection without the place that it leads to.
pub(crate) struct Wire {
    versions: Versions,
    stream: Box<dyn Stream>,
    arrived: BytesMut,
    correlation: i32,
    /// The correlations and versions of requests that were not answered.
    waiting: VecDeque<(i32, i16)>,
}

impl<'c> Link<'c> {
    /// Connects, asks for versions, and logs in.
    pub(crate) async fn open(place: Place<'c>) -> Result<Self, Trouble> {
        timeout(place.config.patience(), Self::connect(place)).await.map_err(|_| place.late())?
    }

    /// A connection that was opened before.
    pub(crate) const fn of(place: Place<'c>, wire: Wire) -> Self {
        Self { place, wire }
    }

    /// The connection itself.
    pub(crate) fn into_wire(self) -> Wire {
        self.wire
    }

    async fn connect(place: Place<'c>) -> Result<Self, Trouble> {
        let Place { server, config } = place;
        let security = match config.uses_tls {
            true => Security::Tls(config.tls.as_ref()),
            false => Security::Plain,
        };
        let stream = stream::connect(server, security).await?;
        let versions = Versions::default();
        let (arrived, waiting) = (BytesMut::new(), VecDeque::new());
        let wire = Wire { versions, stream, arrived, correlation: 0, waiting };
        let mut link = Self { place, wire };
        link.send_version(&ApiVersionsRequest::default(), 0).await?;
        let listed = link.receive::<ApiVersionsRequest>().await;
        let listed = listed.map_err(|trouble| of_stranger(&trouble, place))?;
        link.wire.versions = versions_of(&listed, place)?;
        if place.config.user.is_some() {
            sasl::log_in(&mut link).await?;
        }
        Ok(link)
    }

    /// The newest version of a request that both sides have; no newer one than `max`.
    pub(crate) fn version<R: Request>(&self, max: i16) -> Option<i16> {
        self.wire.versions.of(R::KEY, max)
    }

    /// Sends a request, and waits for its answer within the patience. No other request waits.
    pub(crate) async fn ask<R: Request>(&mut self, request: &R) -> Result<R::Response, Trouble> {
        let version = self.version::<R>(i16::MAX).ok_or_else(|| self.lacks())?;
        self.ask_version(request, version).await
    }

    /// The same in a version.
    pub(crate) async fn ask_version<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, Trouble> {
        let (place, patience) = (self.place, self.place.config.patience());
        let answer = async {
            self.send_version(request, version).await?;
            self.receive::<R>().await
        };
        timeout(patience, answer).await.map_err(|_| place.late())?
    }

    /// Sends a request in a version.
    pub(crate) async fn send_version<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<(), Trouble> {
        self.wire.correlation = self.wire.correlation.wrapping_add(1);
        let frame = encode(request, version, self.wire.correlation);
        let frame = frame.map_err(|error| self.place.strange(error))?;
        let sent = timeout(self.place.config.patience(), self.wire.stream.write_all(&frame)).await;
        let sent = sent.map_err(|_| self.place.late())?;
        sent.map_err(|error| stream::trouble_of(&error, self.place.server))?;
        self.wire.waiting.push_back((self.wire.correlation, version));
        Ok(())
    }

    /// Waits for the answer to the oldest request. It may be dropped, and asked for again.
    pub(crate) async fn receive<R: Request>(&mut self) -> Result<R::Response, Trouble> {
        let mut answer = self.frame().await?;
        let place = self.place;
        let strange = |what: &dyn core::fmt::Display| place.strange(what);
        let (correlation, version) =
            self.wire.waiting.pop_front().ok_or_else(|| strange(&"nothing was asked"))?;
        let header = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut answer, header).map_err(|it| strange(&it))?;
        if header.correlation_id != correlation {
            return Err(strange(&"another request is answered"));
        }
        R::Response::decode(&mut answer, version).map_err(|error| strange(&error))
    }

    /// The next frame, without its length.
    async fn frame(&mut self) -> Result<Bytes, Trouble> {
        loop {
            if let Some(length) = self.wire.arrived.first_chunk::<4>() {
                let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                if length > ANSWER_BYTES_MAX {
                    return Err(self.place.strange("an answer is too long, or none of Kafka"));
                }
                if self.wire.arrived.len() >= 4 + length {
                    self.wire.arrived.advance(4);
                    return Ok(self.wire.arrived.split_to(length).freeze());
                }
            }
            let read = self.wire.stream.read_buf(&mut self.wire.arrived).await;
            if read.map_err(|error| stream::trouble_of(&error, self.place.server))? == 0 {
                return Err(self.place.trouble(TroubleKind::Unreachable, "closed the connection"));
            }
        }
    }

    /// The trouble of a server without a request that is needed.
    pub(crate) fn lacks(&self) -> Trouble {
        self.place.trouble(TroubleKind::Version, "lacks a request that is needed")
    }
}

fn versions_of(listed: &ApiVersionsResponse, place: Place<'_>) -> Result<Versions, Trouble> {
    Versions::new(listed).map_err(|name| {
        let what = format!(
            "speaks no version of {name} that this node does: Kafka 2.1 or newer is needed, or a newer node"
        );
        place.trouble(TroubleKind::Version, &what)
    })
}

/// The trouble of the first answer of all.
fn of_stranger(trouble: &Trouble, place: Place<'_>) -> Trouble {
    let what = match (trouble.kind, place.config.uses_tls) {
        (TroubleKind::Unreachable, false) => {
            " before its versions: is this Kafka, and does it speak without TLS?"
        }
        (TroubleKind::Unreachable, true) => " before its versions: is this Kafka?",
        _ => ": is this Kafka?",
    };
    Trouble::new(trouble.kind, format!("{trouble}{what}"))
}

/// A frame: its length, the header, and the request.
fn encode<R: Request>(
    request: &R,
    version: i16,
    correlation: i32,
) -> Result<BytesMut, Box<dyn core::error::Error>> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("sockeye")));
    let mut frame = BytesMut::zeroed(4);
    header.encode(&mut frame, R::header_version(version)).map_err(|it| it.to_string())?;
    request.encode(&mut frame, version).map_err(|it| it.to_string())?;
    let length = i32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}
