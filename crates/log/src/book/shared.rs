//! The book's lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Book;

/// The book of a log that is at work. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct SharedBook(Arc<Mutex<Book>>);

impl SharedBook {
    pub(crate) fn new(book: Book) -> Self {
        Self(Arc::new(Mutex::new(book)))
    }

    /// The book, for a moment: nobody holds it while the disk works.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Book> {
        // No code panics while it changes the book.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
