//! Takes from a response's head the fields that decide what an event source does next.

use sockeye_http1::ResponseHead;

use crate::exchange::{Exchange, is_coded};

/// The parts of a head that the rules ask for.
pub(super) struct Answer {
    pub(super) status: u16,
    /// All lines in one; `None` also for a coded body, because the client asks for no coding and could not read it.
    pub(super) content_type: Option<Vec<u8>>,
    pub(super) location: Option<Vec<u8>>,
    pub(super) retry_after_ms: Option<u64>,
}

impl Answer {
    pub(super) fn of(exchange: &Exchange) -> Self {
        exchange.with_head(|head| Self {
            status: head.status().code(),
            // [sse:content-coding]
            content_type: content_type(head).filter(|_| !is_coded(head)),
            location: location(head),
            retry_after_ms: retry_after_ms(head),
        })
    }
}

fn content_type(head: &ResponseHead<'_, '_>) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = head.headers().all("content-type").collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

/// Returns `Location`. Several lines are given as an empty one, which leads nowhere.
fn location(head: &ResponseHead<'_, '_>) -> Option<Vec<u8>> {
    let mut lines = head.headers().all("location");
    let first = lines.next()?.to_vec();
    Some(if lines.next().is_some() { Vec::new() } else { first })
}

/// Reads `Retry-After` in seconds. Its other form, a date, would need a calendar clock.
fn retry_after_ms(head: &ResponseHead<'_, '_>) -> Option<u64> {
    let value = head.headers().single("retry-after").ok()??;
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than fit are the longest wait there is.
    is_number.then(|| value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000))
}
