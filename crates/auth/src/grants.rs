//! The channels and patterns that a principal was granted.

use core::fmt;

use sockeye_hub::{ChannelName, Target};

use crate::{Limits, Misuse};

/// A list of channels and patterns, all of them valid.
///
/// No grant holds for the service's own channels, whose names begin with `$`: those are the
/// service's to give.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Box<str>>);

impl Grants {
    /// Reads names and patterns.
    ///
    /// # Errors
    /// [`Misuse::Grant`] if one of them is neither, [`Misuse::TooManyGrants`] if there are more than
    /// [`Limits::grants_max`].
    pub fn new<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        limits: &Limits,
    ) -> Result<Self, Misuse> {
        let mut grants = Vec::new();
        for (index, text) in texts.into_iter().enumerate() {
            // [auth:grants-bound]
            if index == limits.grants_max {
                return Err(Misuse::TooManyGrants { max: index });
            }
            if Target::new(text).is_err() {
                return Err(Misuse::Grant { index });
            }
            grants.push(text.into());
        }
        Ok(Self(grants))
    }

    /// Every channel but the service's own.
    #[must_use]
    pub fn everything() -> Self {
        Self(vec![">".into()])
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and patterns.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|grant| &**grant)
    }

    /// Whether a grant matches the channel.
    pub fn allow(&self, channel: ChannelName<'_>) -> bool {
        self.cover(Target::Channel(channel))
    }

    /// Whether a single grant is the same as the target, or wider. Several grants that are as wide
    /// only together do not count.
    pub fn cover(&self, wanted: Target<'_>) -> bool {
        // No grant holds for the service's own channels.
        !wanted.as_str().starts_with('$') && self.iter().any(|it| is_wider(it, wanted.as_str()))
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// Whether `wide` matches each name that `narrow` matches. Both are valid; a channel's name matches
/// itself.
fn is_wider(wide: &str, narrow: &str) -> bool {
    // [auth:pattern-cover]
    let (mut wide, mut narrow) = (wide.split(':'), narrow.split(':'));
    loop {
        match (wide.next(), narrow.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(segment)) if segment != ">" => {}
            (Some(wanted), Some(segment)) if wanted == segment => {}
            (Some(_) | None, _) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().copied(), &Limits::default()).unwrap()
    }

    /// All patterns and names of up to three segments over a small alphabet.
    fn all(alphabet: &[&str]) -> Vec<String> {
        let mut texts: Vec<String> = alphabet.iter().map(|it| (*it).to_owned()).collect();
        let mut last = texts.clone();
        for _ in 0..2 {
            let mut longer = Vec::new();
            for front in &last {
                longer.extend(alphabet.iter().map(|part| format!("{front}:{part}")));
            }
            texts.extend_from_slice(&longer);
            last = longer;
        }
        texts.retain(|it| Target::new(it).is_ok());
        texts
    }

    /// [auth:pattern-cover]
    #[test]
    fn wider_means_every_name_of_the_narrower() {
        // A letter that no pattern has stands for all of those; one segment more than patterns
        // have stands for all that are longer.
        let names: Vec<String> = {
            let mut names = all(&["a", "b", "z"]);
            names.extend(names.clone().iter().map(|name| format!("{name}:z:z:z")));
            names
        };
        let patterns = all(&["a", "b", "*", ">"]);
        let mut wider = 0;
        for wide in &patterns {
            let wide = grants(&[wide]);
            for narrow in &patterns {
                let target = Target::new(narrow).unwrap();
                let narrow = grants(&[narrow]);
                let truth = names.iter().all(|name| {
                    let name = ChannelName::new(name).unwrap();
                    !narrow.allow(name) || wide.allow(name)
                });
                assert_eq!(wide.cover(target), truth, "{wide:?} {narrow:?}");
                wider += usize::from(truth);
            }
        }
        assert!(wider > patterns.len(), "{wider}");
    }

    #[test]
    fn the_services_own_channels_are_nobodys() {
        let everything = Grants::everything();
        assert!(everything.allow(ChannelName::new("a:b").unwrap()));
        assert!(!everything.allow(ChannelName::reserved("$presence:a").unwrap()));
        assert!(Grants::new(["$presence:a"], &Limits::default()).is_err());
    }

    /// [auth:grants-bound]
    #[test]
    fn grants_are_bounded_and_valid() {
        let limits = Limits { grants_max: 2, ..Limits::default() };
        assert!(Grants::new(["a", "b:*"], &limits).is_ok());
        assert_eq!(Grants::new(["a", "b:*", "c"], &limits), Err(Misuse::TooManyGrants { max: 2 }));
        for bad in ["", "a*", "a::b", "a b", "a\n", ">:a"] {
            let one = Grants::new(["a", bad], &limits);
            assert_eq!(one, Err(Misuse::Grant { index: 1 }), "{bad:?}");
        }
    }
}
