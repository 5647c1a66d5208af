//! Header lines as texts: those of a user's options, and those of an answer.

use sockeye_http::{HeaderName, HeaderValue, Headers};
use sockeye_http1::RequestWriter;

use crate::UsageError;

/// A name and its value.
type Line = (String, String);

/// Reads a line for a request.
pub(crate) fn parse((name, value): &Line) -> Result<(HeaderName<'_>, HeaderValue<'_>), UsageError> {
    let name = HeaderName::new(name).map_err(|_| UsageError::Header)?;
    Ok((name, HeaderValue::new(value).map_err(|_| UsageError::Header)?))
}

/// Adds lines to a request.
pub(crate) fn add<'w>(
    writer: RequestWriter<'w>,
    mut lines: impl Iterator<Item = &'w Line>,
) -> Result<RequestWriter<'w>, UsageError> {
    lines.try_fold(writer, |writer, line| {
        let (name, value) = parse(line)?;
        Ok(writer.header(name, value))
    })
}

/// The lines of an answer. What is not UTF-8 in a value is replaced.
pub(crate) fn of_head(headers: Headers<'_, '_>) -> Vec<Line> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

/// The first value of a header, by its name in any case.
pub(crate) fn find<'l>(lines: &'l [Line], name: &str) -> Option<&'l str> {
    let found = lines.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// The names alone, for `Debug` output: values may hold credentials.
pub(crate) fn names(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|(name, _)| name.as_str()).collect()
}
