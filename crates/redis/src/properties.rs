//! Properties of every input. proptest, the fuzz targets and the corpus replay call them.
//!
//! Every function panics on a violation.

pub mod fuzz;

use crate::resp::{self, ARRAY_ELEMENTS_MAX, Element, Extent, LINE_BYTES_MAX, Reply, RespError};

/// A reply as a tree, read in the plainest way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tree {
    Status(String),
    Error(String),
    Number(i64),
    Bulk(Vec<u8>),
    Array(Vec<Self>),
    Nil,
}

/// Replies end where a plain reader says, however the input is cut, and their elements are the same.
///
/// `cuts` are lengths of pieces, used in a circle; none or zeros only means one piece.
pub fn replies_equal_oracle(input: &[u8], cuts: &[u8]) {
    let expected = oracle(input, 0).map(|found| found.map(|(_, end)| end));
    for cuts in [&[][..], &[1], cuts] {
        assert_eq!(extent(input, cuts, usize::MAX / 2), expected, "cut by {cuts:?}");
    }
    if let Ok(Some(end)) = expected {
        let mut reply = Reply::new(&input[..end]);
        let tree = tree(&mut reply).expect("a complete reply");
        let (wanted, _) = oracle(input, 0).expect("as before").expect("as before");
        assert_eq!(tree, wanted);
        assert_eq!(reply.element(), Err(RespError::Shape), "nothing is behind it");
        let mut reply = Reply::new(&input[..end]);
        assert_eq!(reply.skip(), Ok(()));
        assert_eq!(reply.element(), Err(RespError::Shape), "all of it was passed over");
    }
}

/// Under a bound the cut makes no difference to what is accepted, and nothing above the bound is.
pub fn replies_stay_within(input: &[u8], cuts: &[u8], bytes_max: usize) {
    let free = extent(input, &[], usize::MAX / 2);
    for cuts in [&[][..], &[1], cuts] {
        match (extent(input, cuts, bytes_max), free) {
            (Ok(Some(end)), _) => {
                assert!(end <= bytes_max, "{end} bytes were accepted");
                assert_eq!(free, Ok(Some(end)), "cut by {cuts:?}");
            }
            (Err(RespError::TooLong), Ok(Some(end))) => assert!(end > bytes_max, "{end} bytes fit"),
            // The bound is looked at before the rest, so it may name another fault than the first.
            (Err(RespError::TooLong), _) | (Ok(None), Ok(None)) => {}
            (Err(error), free) => assert_eq!(Err(error), free, "cut by {cuts:?}"),
            (Ok(None), free) => panic!("cut by {cuts:?}: waits, where there is {free:?}"),
        }
    }
}

/// A command is read back as it was: it has the form of a reply.
pub fn commands_round_trip(words: &[&[u8]]) {
    let mut out = b"before".to_vec();
    resp::command(&mut out, words);
    let mut reply = Reply::new(&out[6..]);
    assert_eq!(reply.array(), Ok(words.len()));
    for word in words {
        assert_eq!(reply.bulk(), Ok(*word));
    }
    assert_eq!(reply.element(), Err(RespError::Shape));
}

/// Where a reply ends that arrives in pieces.
fn extent(input: &[u8], cuts: &[u8], bytes_max: usize) -> Result<Option<usize>, RespError> {
    let pieces = cuts.iter().any(|cut| *cut > 0).then_some(cuts);
    let mut lengths = pieces.unwrap_or(&[]).iter().map(|cut| usize::from(*cut)).cycle();
    let (mut extent, mut arrived) = (Extent::new(bytes_max), 0);
    loop {
        arrived = input.len().min(arrived + lengths.next().unwrap_or(input.len()));
        match extent.look(&input[..arrived]) {
            Ok(None) if arrived < input.len() => {}
            result => return result,
        }
    }
}

fn tree(reply: &mut Reply<'_>) -> Result<Tree, RespError> {
    Ok(match reply.element()? {
        Element::Status(text) => Tree::Status(text.into()),
        Element::Error(text) => Tree::Error(text.into()),
        Element::Number(number) => Tree::Number(number),
        Element::Bulk(bytes) => Tree::Bulk(bytes.into()),
        Element::Array(elements) => {
            Tree::Array((0..elements).map(|_| tree(reply)).collect::<Result<_, _>>()?)
        }
        Element::Nil => Tree::Nil,
    })
}

type Read = Result<Option<(Tree, usize)>, RespError>;

/// Reads the reply at `at`, and says where it ends.
fn oracle(input: &[u8], at: usize) -> Read {
    let rest = &input[at..];
    let Some(&kind) = rest.first() else { return Ok(None) };
    if !b"+-:$*".contains(&kind) {
        return Err(RespError::Type(kind));
    }
    let Some(length) = rest[1..].windows(2).position(|pair| pair == b"\r\n") else {
        return if rest.len() - 1 > LINE_BYTES_MAX {
            Err(RespError::LineTooLong)
        } else {
            Ok(None)
        };
    };
    if length >= LINE_BYTES_MAX {
        return Err(RespError::LineTooLong);
    }
    let line = core::str::from_utf8(&rest[1..=length]).map_err(|_| RespError::NotText)?;
    let behind = at + 1 + length + 2;
    let number = || match line.strip_prefix('+') {
        Some(_) => Err(RespError::Number),
        None => line.parse::<i64>().map_err(|_| RespError::Number),
    };
    match kind {
        b'+' => Ok(Some((Tree::Status(line.into()), behind))),
        b'-' => Ok(Some((Tree::Error(line.into()), behind))),
        b':' => Ok(Some((Tree::Number(number()?), behind))),
        b'$' => bulk_oracle(input, behind, number()?),
        _ => array_oracle(input, behind, number()?),
    }
}

fn bulk_oracle(input: &[u8], behind: usize, length: i64) -> Read {
    if length == -1 {
        return Ok(Some((Tree::Nil, behind)));
    }
    let length = usize::try_from(length).map_err(|_| RespError::Number)?;
    let Some(end) = behind.checked_add(length).filter(|end| *end <= input.len()) else {
        return Ok(None);
    };
    let marks = &input[end..input.len().min(end + 2)];
    match (marks, b"\r\n".starts_with(marks)) {
        (_, false) => Err(RespError::End),
        ([_, _], true) => Ok(Some((Tree::Bulk(input[behind..end].into()), end + 2))),
        (_, true) => Ok(None),
    }
}

fn array_oracle(input: &[u8], mut behind: usize, length: i64) -> Read {
    if length == -1 {
        return Ok(Some((Tree::Nil, behind)));
    }
    let length = usize::try_from(length).map_err(|_| RespError::Number)?;
    if length > ARRAY_ELEMENTS_MAX {
        return Err(RespError::ArrayTooLong);
    }
    let mut elements = Vec::new();
    for _ in 0..length {
        let Some((element, end)) = oracle(input, behind)? else { return Ok(None) };
        elements.push(element);
        behind = end;
    }
    Ok(Some((Tree::Array(elements), behind)))
}
