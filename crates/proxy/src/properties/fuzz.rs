//! The properties as fuzz targets: bytes read as the arguments of each.

use alloc::vec::Vec;

use super::{a_forged_front_names_nobody, decoder_equals_oracle};
use crate::{HopField, Limits, Version};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[("proxy_header", proxy_header), ("proxy_hops", proxy_hops)];

/// The version (odd: 1), the bound of version 2 in units of 16 bytes, and two lengths at which the header is
/// cut. Then the header.
pub fn proxy_header(data: &[u8]) {
    let Some(([version, bound, one, other], header)) = data.split_first_chunk::<4>() else {
        return;
    };
    let version = if version % 2 == 1 { Version::V1 } else { Version::V2 };
    let limits = Limits { v2_bytes_max: u16::from(*bound) * 16 };
    let pieces = [usize::from(*one), usize::from(*other)];
    decoder_equals_oracle(version, limits, header, &pieces);
}

/// The field (odd: `Forwarded`), and the lines that a client sends.
pub fn proxy_hops(data: &[u8]) {
    let Some((field, lines)) = data.split_first() else { return };
    let field = if field % 2 == 1 { HopField::Forwarded } else { HopField::XForwardedFor };
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    a_forged_front_names_nobody(field, &lines);
}
