//! The connections of each network.

use std::collections::BTreeMap;

use slab::Slab;
use switchboard_core::Network;

/// What a network uses: upgrades that are being decided, and connections.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) network: Option<Network>,
    pub(super) deciding: usize,
    pub(super) open: usize,
}

/// Networks that use something.
#[derive(Default, Debug)]
pub(super) struct Networks {
    table: Slab<Usage>,
    by_network: BTreeMap<Option<Network>, usize>,
}

impl Networks {
    /// Changes what a network uses. Returns its key, which it has as long as it uses something.
    pub(super) fn change(
        &mut self,
        network: Option<Network>,
        change: impl FnOnce(&mut Usage),
    ) -> usize {
        let table = &mut self.table;
        let key = *self
            .by_network
            .entry(network)
            .or_insert_with(|| table.insert(Usage { network, deciding: 0, open: 0 }));
        if let Some(usage) = table.get_mut(key) {
            change(usage);
            if (usage.deciding, usage.open) == (0, 0) {
                table.remove(key);
                self.by_network.remove(&network);
            }
        }
        key
    }

    /// The network of a key.
    pub(super) fn network(&self, key: usize) -> Option<Network> {
        self.table.get(key)?.network
    }

    /// How many upgrades of a network are being decided, and how many connections it has.
    pub(super) fn usage(&self, network: Option<Network>) -> (usize, usize) {
        let usage = self.by_network.get(&network).and_then(|key| self.table.get(*key));
        usage.map_or((0, 0), |usage| (usage.deciding, usage.open))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty() && self.by_network.is_empty()
    }
}
