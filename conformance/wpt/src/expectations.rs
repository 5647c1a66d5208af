//! The known failures with their reasons, and the least number of passes.

use serde::Deserialize;

use crate::Trouble;
use crate::runner::WHOLE;
use crate::site::Site;

const CHECKOUT: &str = include_str!("../expectations.toml");
const OWN: &str = include_str!("../pages/expectations.toml");

/// The committed file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectations {
    /// A known failure that passes is a failure: of our own pages we know the reasons.
    #[serde(default)]
    pub(crate) exact: bool,
    /// How many subtests of a folder have to pass at least.
    #[serde(default)]
    pub(crate) required: Vec<Required>,
    #[serde(default)]
    pub(crate) known: Vec<Known>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Required {
    pub(crate) folder: String,
    pub(crate) passed: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// Addresses of pages; their queries are left out.
    pages: Vec<String>,
    /// A subtest's name, or `*` for each of the page; missing, the page as a whole.
    subtest: Option<String>,
    reason: String,
}

impl Expectations {
    pub(crate) fn read(site: &Site) -> Result<Self, Trouble> {
        let text = if site.checkout.is_some() { CHECKOUT } else { OWN };
        Ok(toml::from_str(text)?)
    }

    /// Why that subtest of that page need not pass.
    pub(crate) fn reason(&self, url: &str, subtest: &str) -> Option<String> {
        let path = url.split('?').next().unwrap_or(url).trim_start_matches('/');
        let fits = |known: &&Known| {
            let wanted = known.subtest.as_deref().unwrap_or(WHOLE);
            known.pages.iter().any(|page| page == path) && (wanted == "*" || wanted == subtest)
        };
        self.known.iter().find(fits).map(|known| known.reason.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_files_can_be_read() {
        for text in [CHECKOUT, OWN] {
            let read: Expectations = toml::from_str(text).expect("well formed");
            assert!(!read.required.is_empty());
            assert!(read.known.iter().all(|known| known.reason.len() > 10));
        }
    }

    #[test]
    fn a_reason_is_for_what_it_names_only() {
        let text = "[[known]]\npages = ['e/a.html']\nsubtest = 'x'\nreason = 'r'\n\
                    [[known]]\npages = ['e/b.html']\nreason = 'w'\n";
        let read: Expectations = toml::from_str(text).expect("well formed");
        assert_eq!(read.reason("/e/a.html?default", "x").as_deref(), Some("r"));
        assert_eq!(read.reason("/e/a.html", "y"), None);
        assert_eq!(read.reason("/e/c.html", "x"), None);
        assert_eq!(read.reason("/e/b.html", WHOLE).as_deref(), Some("w"));
        assert_eq!(read.reason("/e/b.html", "x"), None);
    }
}
