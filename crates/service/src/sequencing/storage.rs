//! The room that each namespace has on disk, as an operator sees it.

/// The namespaces that are named one by one. The rest are one line.
pub(crate) const NAMED_MAX: usize = 64;

/// Tells how much of a log's room each namespace uses. Every loop asks now and then, so an answer
/// does not wait for the disk.
pub trait Storage: Send + Sync {
    /// The use of each namespace. The first one is that of all namespaces without settings of their
    /// own.
    fn uses(&self) -> Vec<NamespaceUse>;
}

/// What a namespace has of a log's room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceUse {
    /// Its name; `None` for all namespaces without settings of their own.
    pub namespace: Option<String>,
    /// Channels that are remembered.
    pub channels: u64,
    /// Messages kept.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes that it may have while the others have what they have.
    pub bytes_max: u64,
    /// Publications that had no room.
    pub refused: u64,
    /// Whether the last refused publication would be refused now, too.
    pub is_full: bool,
}

impl NamespaceUse {
    /// The label: the name, or `*` or `+`, which no namespace has as its name.
    fn label(&self) -> &str {
        self.namespace.as_deref().unwrap_or("*")
    }
}

/// The lines of an operator's page: a bounded number, with the rest as one. [service:storage]
#[derive(Clone, Debug, Default)]
pub(crate) struct StorageLines(Vec<NamespaceUse>);

impl StorageLines {
    pub(crate) fn new(mut uses: Vec<NamespaceUse>) -> Self {
        let rest = uses.split_off(uses.len().min(NAMED_MAX));
        if !rest.is_empty() {
            let sum = |of: fn(&NamespaceUse) -> u64| rest.iter().map(of).sum();
            uses.push(NamespaceUse {
                namespace: Some("+".into()),
                channels: sum(|it| it.channels),
                messages: sum(|it| it.messages),
                bytes: sum(|it| it.bytes),
                bytes_max: sum(|it| it.bytes_max),
                refused: sum(|it| it.refused),
                is_full: rest.iter().any(|it| it.is_full),
            });
        }
        Self(uses)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The figures of one kind, with their labels.
    pub(crate) fn rows(
        &self,
        of: fn(&NamespaceUse) -> u64,
    ) -> impl Iterator<Item = (String, u64)> + '_ {
        self.0.iter().map(move |it| (format!("namespace=\"{}\"", it.label()), of(it)))
    }

    /// The labels of the namespaces that are full.
    pub(crate) fn full(&self) -> Vec<&str> {
        self.0.iter().filter(|it| it.is_full).map(NamespaceUse::label).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [service:storage]
    #[test]
    fn however_many_namespaces_there_are_the_lines_are_few() {
        let of = |at: u64| NamespaceUse {
            namespace: (at > 0).then(|| format!("n{at}")),
            bytes: at,
            is_full: at == 999,
            ..NamespaceUse::default()
        };
        let lines = StorageLines::new((0..1_000).map(of).collect());
        let rows: Vec<_> = lines.rows(|it| it.bytes).collect();
        assert_eq!(rows.len(), NAMED_MAX + 1);
        assert_eq!(rows[0], ("namespace=\"*\"".to_owned(), 0));
        assert_eq!(rows[NAMED_MAX], ("namespace=\"+\"".to_owned(), (64..1_000).sum()));
        assert_eq!(lines.full(), ["+"]);
        assert_eq!(StorageLines::new(vec![of(0), of(5)]).rows(|_| 1).count(), 2);
    }
}
