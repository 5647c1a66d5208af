//! Fields that arrive: the visitor, and a buffer that makes a request or a response of them.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use sockeye_hpack::Field;
use sockeye_http::{HeaderLine, Headers, Method, RequestHead, Status, Target};

use crate::StreamId;
use crate::malformed::Malformed;

/// A visitor of fields. A connection gives it the fields of a block, in their order, while it decodes
/// and judges them. The event that follows says that the block was in order. Without such an event the
/// block was malformed, late or refused, and its fields have to be dropped.
pub trait Fields {
    /// A block begins. Whatever came before it is over.
    fn begin(&mut self, stream: StreamId);

    /// A field, pseudo-fields included. It borrows from the block: copy what has to stay.
    fn field(&mut self, field: Field<'_>);
}

/// Drops all fields.
impl Fields for () {
    fn begin(&mut self, _: StreamId) {}
    fn field(&mut self, _: Field<'_>) {}
}

/// A visitor and the memory that decoding needs. One serves all connections of a loop.
#[derive(Debug, Default)]
pub struct FieldReader<F> {
    /// The visitor.
    pub fields: F,
    pub(crate) scratch: Vec<u8>,
}

impl<F: Fields> FieldReader<F> {
    /// Wraps a visitor.
    #[must_use]
    pub const fn new(fields: F) -> Self {
        Self { fields, scratch: Vec::new() }
    }
}

/// The fields of the last block: a visitor that keeps them, and makes a head of them. One serves all
/// connections of a loop; its memory is that of the largest block.
///
/// The crumbs of `cookie` are joined with `"; "` (RFC 9113 §8.2.3).
#[derive(Clone, Default)]
pub struct FieldBuffer {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    cookie: Vec<u8>,
    method: Option<Range<usize>>,
    scheme: Option<Range<usize>>,
    authority: Option<Range<usize>>,
    path: Option<Range<usize>>,
    protocol: Option<Range<usize>>,
    status: Option<Range<usize>>,
}

#[derive(Clone)]
struct Line {
    name: Range<usize>,
    value: Range<usize>,
}

impl Fields for FieldBuffer {
    fn begin(&mut self, _: StreamId) {
        let Self { bytes, lines, cookie, .. } = core::mem::take(self);
        *self = Self { bytes, lines, cookie, ..Self::default() };
        self.bytes.clear();
        self.lines.clear();
        self.cookie.clear();
    }

    fn field(&mut self, field: Field<'_>) {
        if field.name == b"cookie" {
            // [http2:8.2.3-cookie-crumbs]
            if !self.cookie.is_empty() {
                self.cookie.extend_from_slice(b"; ");
            }
            self.cookie.extend_from_slice(field.value);
            return;
        }
        let name = self.keep(field.name);
        let value = self.keep(field.value);
        match field.name {
            b":method" => self.method = Some(value),
            b":scheme" => self.scheme = Some(value),
            b":authority" => self.authority = Some(value),
            b":path" => self.path = Some(value),
            b":protocol" => self.protocol = Some(value),
            b":status" => self.status = Some(value),
            _ => self.lines.push(Line { name, value }),
        }
    }
}

impl FieldBuffer {
    /// Makes an empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the bytes on the heap that the fields need. A clone has no more.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let lines = self.lines.len().saturating_mul(size_of::<Line>());
        self.bytes.len().saturating_add(self.cookie.len()).saturating_add(lines)
    }

    /// Returns the fields without the pseudo-fields, for [`request`](Self::request).
    #[must_use]
    pub fn lines(&self) -> Vec<HeaderLine<'_>> {
        let lines = self.lines.iter();
        let mut all: Vec<_> = lines
            .map(|line| HeaderLine { name: self.get(&line.name), value: self.get(&line.value) })
            .collect();
        if !self.cookie.is_empty() {
            all.push(HeaderLine { name: b"cookie", value: &self.cookie });
        }
        all
    }

    /// Returns the head of the request, with the lines that [`lines`](Self::lines) returned.
    ///
    /// The authority is that of `:authority`, else that of `host`.
    ///
    /// # Errors
    /// [`Malformed::Target`] if the scheme is neither `http` nor `https`, the path holds a byte that no
    /// target may hold, or no authority is there; [`Malformed::Authority`] if `host` is repeated, is no
    /// authority, or names another one than `:authority`.
    pub fn request<'h, 'b>(
        &'b self,
        lines: &'h [HeaderLine<'b>],
    ) -> Result<RequestHead<'h, 'b>, Malformed> {
        let headers = Headers::new(lines);
        let text = |range: &Option<Range<usize>>| range.as_ref().and_then(|it| self.text(it));
        let method =
            text(&self.method).and_then(|it| Method::new(it).ok()).ok_or(Malformed::Target)?;
        let authority = self.authority(headers)?;
        let target = match (text(&self.scheme), text(&self.path)) {
            (None, None) => Target::connect(authority),
            (Some(_), Some("*")) => Some(Target::ASTERISK.with_host(Some(authority))),
            (Some(scheme), Some(path)) => Target::absolute(scheme, authority, path),
            (None, Some(_)) | (Some(_), None) => None,
        };
        Ok(RequestHead::new(method, target.ok_or(Malformed::Target)?, headers))
    }

    /// Whether the method of the request is HEAD: its answer has no content. This holds for a head that is too large,
    /// too, if `:method` came within the bounds.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.method.as_ref().is_some_and(|range| self.get(range) == b"HEAD")
    }

    /// Whether the target of the request has more than `max` bytes. In a head that is too large one that did not come counts
    /// as longer, because pseudo-fields come first (RFC 9113 §8.3).
    #[must_use]
    pub fn target_is_over(&self, max: usize) -> bool {
        let is_tunnel = || {
            let method = self.method.as_ref().map(|range| self.get(range));
            method == Some(b"CONNECT") && self.scheme.is_none()
        };
        let target = match &self.path {
            None if is_tunnel() => &self.authority,
            path => path,
        };
        target.as_ref().is_none_or(|range| range.len() > max)
    }

    /// Returns the value of `:protocol`: CONNECT by RFC 8441, if it is there.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_ref().and_then(|range| self.text(range))
    }

    /// Returns the status of a response.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        Status::new(self.text(self.status.as_ref()?)?.parse().ok()?)
    }

    /// The authority that the request is for (RFC 9113 §8.3.1).
    fn authority<'b>(&'b self, headers: Headers<'_, 'b>) -> Result<&'b str, Malformed> {
        let pseudo = self.authority.as_ref().and_then(|range| self.text(range));
        let host = headers.single("host").map_err(|_| Malformed::Authority)?;
        // [http2:8.3.1-host]
        match (pseudo, host) {
            (Some(pseudo), Some(host)) if !pseudo.eq_ignore_ascii_case(host) => {
                Err(Malformed::Authority)
            }
            (Some(authority), _) => Ok(authority),
            (None, Some(host)) if sockeye_http::is_authority(host) => Ok(host),
            (None, Some(_)) => Err(Malformed::Authority),
            (None, None) => Err(Malformed::Target),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn get(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    fn text(&self, range: &Range<usize>) -> Option<&str> {
        core::str::from_utf8(self.get(range)).ok()
    }
}

/// Shows numbers only: values hold credentials.
impl fmt::Debug for FieldBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldBuffer")
            .field("lines", &self.lines.len())
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
