//! What is done with bytes that are in place: blocks restored, leaves hashed
//! and compared. Workers do it while the next symbols arrive.
//!
//! What a worker may be reading is held in full, so nothing is written there:
//! a block that is being restored counts as held, and leaves that need it are
//! held back. Only damage takes symbols away again, and it is told to the
//! session when nothing is with the workers any more.

use super::{Assembly, DOUBT};
use crate::mapping::Loan;
use crate::stage_error::StageError;
use crate::symbols::SymbolError;
use crate::workers::{Outcome, Task};
use linecast_protocol::object::tree;
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::receiver::{Receiver, Session};
use linecast_protocol::time::Time;

/// How long to wait for the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Not at all: more symbols may be there already.
    None,
    /// Until all is done.
    All,
}

impl Assembly {
    /// Whether something is with the workers.
    pub fn is_busy(&self) -> bool {
        self.workers.is_busy()
    }

    /// The socket is empty: does and waits for all that is with the workers, and
    /// looks again at what was found wrong.
    ///
    /// # Errors
    /// As [`Assembly::settle`].
    pub fn finish_work(&mut self, now: Time, receiver: &mut Receiver) -> Result<(), SymbolError> {
        self.behind = false;
        if let Some(session) = receiver.session_mut()
            && session.leaf_list_complete()
            && self.is_list_due(now)
        {
            self.check_leaf_list(now, session)?;
        }
        self.verify(now, receiver, Patience::All)
    }

    /// Has block `sbn` of the image restored.
    pub(super) fn give_block(
        &mut self,
        sbn: u32,
        session: &mut Session,
    ) -> Result<(), SymbolError> {
        let Some(blocks) = session.blocks(IMAGE_TOI) else {
            return Ok(());
        };
        let restoration = self.image.restoration(sbn, blocks);
        let places = self.image.places_of(sbn);
        if let Some(staging) = self.image.staging_mut() {
            let task = Task::Restore(restoration, staging.lend(places)?);
            self.restoring.push(sbn);
            self.workers.give(task, self.behind);
        }
        session.handle_restored(IMAGE_TOI, sbn);
        Ok(())
    }

    /// Has every leaf hashed that is whole, and takes what is known by then.
    pub(super) fn verify(
        &mut self,
        now: Time,
        receiver: &mut Receiver,
        patience: Patience,
    ) -> Result<(), SymbolError> {
        loop {
            let given = match self.next_leaf(receiver) {
                Some(leaf) => self.give_leaf(leaf)?,
                None => false,
            };
            let waits = patience == Patience::All || self.has_damage(now);
            let outcome = match waits && !given {
                true => self.workers.wait(),
                false => self.workers.poll(),
            };
            match outcome {
                Some(outcome) => self.take(now, outcome, receiver)?,
                None if given => {}
                None => break,
            }
        }
        self.tell_damage(now, receiver);
        Ok(())
    }

    /// A leaf that is whole, and is not being restored in part.
    fn next_leaf(&mut self, receiver: &mut Receiver) -> Option<u64> {
        if let Some(at) = self.held_back.iter().position(|leaf| self.is_whole(*leaf)) {
            return Some(self.held_back.swap_remove(at));
        }
        while let Some(leaf) = receiver.poll_leaf() {
            if self.is_whole(leaf) {
                return Some(leaf);
            }
            self.held_back.push(leaf);
        }
        None
    }

    fn is_whole(&self, leaf: u64) -> bool {
        let layout = &self.shape.image;
        let symbols = layout.symbols_touching(&tree::leaf_range(layout.size(), leaf));
        let blocks = layout.blocks_touching(&symbols);
        !self.restoring.iter().any(|sbn| blocks.contains(sbn))
    }

    fn give_leaf(&mut self, leaf: u64) -> Result<bool, StageError> {
        let Some(staging) = self.image.staging_mut() else {
            return Ok(false);
        };
        let loan = staging.lend(tree::leaf_range(self.shape.image.size(), leaf))?;
        self.workers.give(Task::Hash(leaf, loan), self.behind);
        Ok(true)
    }

    fn take(
        &mut self,
        now: Time,
        outcome: Outcome,
        receiver: &mut Receiver,
    ) -> Result<(), SymbolError> {
        match outcome {
            Outcome::Hashed(leaf, hash, loan) => {
                self.take_back(loan);
                let list = self.leaves.as_deref().unwrap_or_default();
                let wanted = list.get(leaf as usize * 32..).and_then(<[u8]>::first_chunk);
                if hash.is_none() || hash.as_ref() != wanted {
                    self.doubted.push((leaf, now));
                } else {
                    self.journal.mark(leaf)?;
                    self.rounds.remove(&leaf);
                    if let Some(session) = receiver.session_mut() {
                        session.handle_verified(leaf);
                    }
                }
            }
            Outcome::Restored(sbn, symbols, loan) => {
                self.take_back(loan);
                let leaves = receiver.session().and_then(Session::leaves);
                match &symbols {
                    Some(symbols) => self.image.keep_restored(sbn, symbols, leaves)?,
                    None => self.unrestored.push(sbn),
                }
                self.restoring.retain(|restoring| *restoring != sbn);
            }
        }
        Ok(())
    }

    fn take_back(&mut self, loan: Loan) {
        if let Some(staging) = self.image.staging_mut() {
            staging.take_back(loan);
        }
    }

    /// Whether there is damage to be told: what was found wrong, and nothing has put
    /// right for a while.
    fn has_damage(&self, now: Time) -> bool {
        let told = |(_, since): &(u64, Time)| now.since(*since) >= DOUBT;
        !self.unrestored.is_empty() || self.doubted.iter().any(told)
    }

    /// When something that was found wrong is to be looked at again.
    pub fn doubts_until(&self) -> Option<Time> {
        let since = self.doubted.iter().map(|(_, since)| *since);
        since
            .chain(self.list_doubted)
            .min()
            .map(|since| since + DOUBT)
    }

    /// Nothing is with the workers: the symbols of damaged leaves are fetched
    /// again. Parity of their blocks may be what is wrong; of which blocks, the
    /// session says, which counts what is kept here.
    fn tell_damage(&mut self, now: Time, receiver: &mut Receiver) {
        if !self.has_damage(now) || self.workers.is_busy() {
            return;
        }
        let Some(session) = receiver.session_mut() else {
            return;
        };
        for sbn in self.unrestored.drain(..) {
            session.handle_unrestored(now, sbn);
            self.image.drop_parity(sbn);
        }
        let told = |(_, since): &mut (u64, Time)| now.since(*since) >= DOUBT;
        for (leaf, _) in self.doubted.extract_if(.., told) {
            self.damaged_leaf = Some(leaf);
            *self.rounds.entry(leaf).or_default() += 1;
            for sbn in session.handle_damaged(now, leaf) {
                self.image.drop_parity(sbn);
            }
        }
    }
}
