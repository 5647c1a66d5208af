//! The pages of the archive, and the hub.

use std::rc::Rc;

use sockeye_hub::{Entry, Fetch, Fetched, Progress, Seq, SubscriberKey};

use crate::engine::streams::Items;
use crate::engine::{Body, Dialect, Engine};
use crate::sequencing::{Archived, Page, Unavailable};

impl<D: Dialect> Engine<D> {
    /// A page for the hub. An archive that gets nowhere cannot be read.
    pub(super) fn fetched(
        &self,
        fetch: Fetch,
        page: Page,
    ) -> Result<Fetched<Body<D::Forms>>, Unavailable> {
        if page.through <= fetch.after {
            return Err(Unavailable);
        }
        let missing = page.missing.into_iter().map(|(name, floor)| (Rc::from(name), floor));
        let missing: Vec<(Rc<str>, Seq)> = missing.collect();
        let entries = page.entries.into_iter().filter_map(|it| self.archived(it)).collect();
        let Page { through, is_missing_more, .. } = page;
        Ok(Fetched { fetch, entries, through, missing, is_missing_more })
    }

    /// A message of the archive for the hub; `None` if it is of another epoch.
    fn archived(&self, archived: Archived) -> Option<sockeye_hub::Archived<Body<D::Forms>>> {
        let Archived { position, channel, time_ms, kind, payload } = archived;
        let is_of_epoch = position.epoch == self.hub.position().epoch;
        let (seq, channel, cost) = (position.seq, Rc::from(channel), payload.cost());
        let body = Body::new(payload);
        let archived = sockeye_hub::Archived { seq, channel, time_ms, kind, body, cost };
        Some(archived).filter(|_| is_of_epoch)
    }

    /// The messages of a page as entries of the log.
    pub(crate) fn recalled(&self, page: Vec<Archived>) -> Vec<Rc<Entry<Body<D::Forms>>>> {
        let archived = page.into_iter().filter_map(|it| self.archived(it));
        archived.map(|it| self.hub.recall(it)).collect()
    }

    /// Hands a session's page to the hub, and returns the items that the session gets.
    pub(crate) fn take_page(
        &mut self,
        key: SubscriberKey,
        page: Fetched<Body<D::Forms>>,
    ) -> (Items<D>, Option<Progress>) {
        let mut items = core::mem::take(&mut self.items);
        let subscriber = self.hub.subscriber(key);
        let progress = subscriber.map(|mut it| it.take_page(page, &mut items));
        (items, progress)
    }
}
