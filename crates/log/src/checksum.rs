//! The checksums of rows. Each covers the epoch, so that no row of another log fits.

/// Sums numbers and texts. A text's length goes before it, so that no byte can move from one field
/// to the next unseen.
pub(crate) struct Sum(crc32fast::Hasher);

impl Sum {
    /// A sum over a row of this kind.
    pub(crate) fn new(table: u8, epoch: u64) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[table]);
        hasher.update(&epoch.to_le_bytes());
        Self(hasher)
    }

    pub(crate) fn numbers(mut self, numbers: &[u64]) -> Self {
        for number in numbers {
            self.0.update(&number.to_le_bytes());
        }
        self
    }

    pub(crate) fn text(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The sum as SQLite stores it in the fewest bytes.
    pub(crate) fn finish(self) -> i32 {
        self.0.finalize().cast_signed()
    }
}
