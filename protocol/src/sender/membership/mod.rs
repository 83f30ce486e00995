//! The receivers that a session expects or has heard: who they are (a key and an
//! installation), which of them weigh, and how they stand.

mod member;

pub(in crate::sender) use member::{Fresh, Proof};
pub use member::{Member, MemberState};

use crate::budget::Budget;
use crate::key::PublicKey;
use crate::limits::{
    CLONES_MAX, LIVES_MAX, PENDING_LIVES_MAX, ROSTER_MAX, UNENROLLED_PER_ADDRESS_MAX,
    UNPROVEN_PER_ADDRESS_MAX,
};
use crate::message::{Complete, Refusal};
use crate::time::{Duration, Time};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// Who registered without proving anything is forgotten after this.
const UNPROVEN_HOLD: Duration = Duration::from_secs(10);
/// Who registers again and again is welcomed no more often than this.
const WELCOME_GAP: Duration = Duration::from_millis(20);

/// A device: its key, and which of the machines that have this key.
pub(in crate::sender) type Identity = (PublicKey, [u8; 8]);

/// A registration whose signature was checked.
#[derive(Debug)]
pub(in crate::sender) struct Registered {
    pub identity: Identity,
    pub name: String,
    pub life: Proof,
}

/// Receivers from one address that no roster names.
#[derive(Debug, Default, Clone, Copy)]
struct Behind {
    all: u32,
    unproven: u32,
}

/// All receivers, by node id and by identity. What is asked every turn of the
/// sender's loop is counted when it changes: there may be thousands.
///
/// A roster is exclusive: with one, only those whose key it lists *weigh*, in the
/// window, the loss, the end and the verdict. Without one everybody weighs who has
/// proven to be there.
#[derive(Debug)]
pub struct Membership {
    members: Vec<Member>,
    by_node: BTreeMap<u32, usize>,
    by_identity: BTreeMap<Identity, usize>,
    by_key: BTreeMap<PublicKey, Vec<usize>>,
    behind: BTreeMap<IpAddr, Behind>,
    exclusive: bool,
    /// Of the roster, not heard yet.
    unheard: usize,
    heard: usize,
    open: usize,
    /// Open, and will weigh once they have proven to be there.
    hopeful: usize,
    welcomes_due: usize,
    next_nonce: u32,
    /// What each may ask for, full.
    blocks: Budget,
    /// Nobody stalls before this.
    stall_at: Time,
    /// Who has its turn by unicast: nobody else is served then.
    alone: Option<usize>,
}

impl Membership {
    /// A session that expects these receivers, by name and key; each may ask for
    /// blocks as `blocks` allows.
    pub(in crate::sender) fn expecting(
        expected: impl IntoIterator<Item = (String, PublicKey)>,
        blocks: Budget,
    ) -> Membership {
        let mut membership = Membership {
            members: Vec::new(),
            by_node: BTreeMap::new(),
            by_identity: BTreeMap::new(),
            by_key: BTreeMap::new(),
            behind: BTreeMap::new(),
            exclusive: false,
            unheard: 0,
            heard: 0,
            open: 0,
            hopeful: 0,
            welcomes_due: 0,
            next_nonce: 1,
            blocks,
            stall_at: Time::ZERO,
            alone: None,
        };
        for (name, key) in expected {
            if membership.by_key.contains_key(&key) {
                continue;
            }
            membership.exclusive = true;
            membership.unheard += 1;
            membership.add(key, name, true);
        }
        membership
    }

    fn add(&mut self, key: PublicKey, name: String, enrolled: bool) -> usize {
        let at = self.members.len();
        let member = Member::new(key, name, enrolled, self.blocks.clone());
        self.members.push(member);
        self.by_key.entry(key).or_default().push(at);
        at
    }

    /// Every receiver.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether a roster says who weighs.
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Whether other machines have the key of this one.
    pub fn is_clone(&self, member: &Member) -> bool {
        let same = self.by_key.get(&member.key);
        same.is_some_and(|same| same.len() > 1)
    }

    /// Whether what this member says and how it ends concerns others.
    pub fn weighs(&self, member: &Member) -> bool {
        member.proven && (member.enrolled || !self.exclusive)
    }

    /// Receivers that weigh and were heard so far.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// Receivers that weigh and that the session still works for.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Receivers that have registered and not proven yet that they are there, and
    /// would weigh then.
    pub(in crate::sender) fn hopeful(&self) -> usize {
        self.hopeful
    }

    /// Those that weigh and are open.
    pub(in crate::sender) fn weighing(&self) -> impl Iterator<Item = &Member> {
        let members = self.members.iter();
        members.filter(|member| member.is_open() && self.weighs(member))
    }

    /// Who is served alone, by unicast, now that the others have ended.
    pub(in crate::sender) fn alone(&self) -> Option<usize> {
        self.alone
    }

    /// Whether what this member says steers the session.
    pub(in crate::sender) fn is_served(&self, at: usize) -> bool {
        let turn = self.alone.is_none_or(|alone| alone == at);
        turn && !self.members[at].is_unserved()
    }

    /// Nobody is left to be served together: gives the next one that was set
    /// aside its turn. `positions` are those of the lanes.
    pub(in crate::sender) fn serve_next_alone(
        &mut self,
        positions: Vec<u64>,
    ) -> Option<&mut Member> {
        let mut members = self.members.iter();
        self.alone = members.position(|m| m.state == MemberState::Aside && self.weighs(m));
        let at = self.alone?;
        self.set_state(at, MemberState::Receiving);
        let member = &mut self.members[at];
        member.unicast = true;
        member.loss.begin_anew();
        member.turn = Some(positions.clone());
        member.read = positions;
        Some(member)
    }

    /// Whether every receiver of the roster has been heard.
    pub(in crate::sender) fn all_heard(&self) -> bool {
        self.unheard == 0
    }

    /// Changes a member, and what is counted of it.
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Member) -> R) -> R {
        let before = self.counted(at);
        let result = change(&mut self.members[at]);
        let after = self.counted(at);
        self.heard = self.heard + usize::from(after.0) - usize::from(before.0);
        self.open = self.open + usize::from(after.1) - usize::from(before.1);
        self.hopeful = self.hopeful + usize::from(after.2) - usize::from(before.2);
        result
    }

    /// Whether a member counts as heard, as open, and as hopeful. One that only
    /// refuses counts if the roster waits for it.
    fn counted(&self, at: usize) -> (bool, bool, bool) {
        let member = &self.members[at];
        let weighs = self.weighs(member);
        let heard = match member.state {
            MemberState::Expected => false,
            MemberState::Refused(_) => member.enrolled,
            _ => true,
        };
        let hopeful = !member.proven && (member.enrolled || !self.exclusive);
        let open = member.is_open();
        (weighs && heard, weighs && open, hopeful && open)
    }

    pub(in crate::sender) fn set_state(&mut self, at: usize, state: MemberState) {
        self.change(at, |member| member.state = state);
    }

    /// Whether a registration waits to be confirmed.
    pub(in crate::sender) fn has_welcomes_due(&self) -> bool {
        self.welcomes_due > 0
    }

    /// Takes up to `count` members with registrations to be confirmed.
    pub(in crate::sender) fn take_welcomes(
        &mut self,
        now: Time,
        count: usize,
    ) -> impl Iterator<Item = &Member> {
        let due = self.welcomes_due.min(count);
        self.welcomes_due -= due;
        let waiting = self.members.iter_mut().filter(|m| m.welcome_due);
        waiting.take(due).map(move |member| {
            (member.welcome_due, member.welcomed) = (false, now);
            &*member
        })
    }

    /// The receiver at this place.
    pub(in crate::sender) fn member_mut(&mut self, at: usize) -> &mut Member {
        &mut self.members[at]
    }

    /// The place of the receiver with this node id.
    pub(in crate::sender) fn place_of(&self, node: u32) -> Option<usize> {
        self.by_node.get(&node).copied()
    }

    /// The place of this device.
    pub(in crate::sender) fn place_of_device(&self, identity: &Identity) -> Option<usize> {
        self.by_identity.get(identity).copied()
    }

    /// The members with this key.
    pub(in crate::sender) fn places_of_key(&self, key: &PublicKey) -> &[usize] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether one more device may register from here that no roster names.
    pub(in crate::sender) fn has_room_for(&self, address: IpAddr) -> bool {
        let behind = self.behind.get(&address).copied().unwrap_or_default();
        self.members.len() < ROSTER_MAX
            && behind.unproven < UNPROVEN_PER_ADDRESS_MAX
            && behind.all < UNENROLLED_PER_ADDRESS_MAX
    }

    /// A number for a registration: each is given once.
    pub(in crate::sender) fn next_nonce(&mut self) -> u32 {
        self.next_nonce = self.next_nonce.wrapping_add(1).max(1);
        self.next_nonce
    }

    /// A life that is known registered again: it is welcomed again, unless it just
    /// was. That is all that a replayed registration does.
    pub(in crate::sender) fn welcome_again(&mut self, now: Time, at: usize) {
        if now.since(self.members[at].welcomed) >= WELCOME_GAP {
            self.welcome_soon(at);
        }
    }

    fn welcome_soon(&mut self, at: usize) {
        self.welcomes_due += usize::from(!self.members[at].welcome_due);
        self.members[at].welcome_due = true;
    }

    /// Enters a registration of a life that is new. The first life of a device is
    /// served at once; another only when it has proven that it is no replay.
    /// Gives the member's place, and whether that is new to this session.
    pub(in crate::sender) fn register(
        &mut self,
        now: Time,
        registered: Registered,
        positions: &[u64],
    ) -> Option<(usize, bool)> {
        let Registered {
            identity,
            name,
            mut life,
        } = registered;
        let at = self.place_for(identity, name, life.address.ip())?;
        if self.members[at].lives >= LIVES_MAX {
            return None;
        }
        life.node = self.free_node(life.node, at, &identity.0);
        self.by_node.insert(life.node, at);
        self.stall_at = Time::ZERO;
        let fresh = self.members[at].life.is_none();
        let aside = self.alone.is_some_and(|alone| alone != at);
        let given_up = self.change(at, |member| {
            member.installation = Some(identity.1);
            member.heard = now;
            member.lives = member.lives.saturating_add(1);
            if !fresh {
                let full = member.pending.len() >= PENDING_LIVES_MAX;
                let given_up = full.then(|| member.pending.remove(0).node);
                member.pending.push(life);
                return given_up.filter(|node| !member.answers_to(*node));
            }
            // Who comes while another has its turn gets one of its own.
            member.state = match aside {
                true => MemberState::Aside,
                false => MemberState::Receiving,
            };
            member.begin_life(life, positions);
            None
        });
        if let Some(node) = given_up {
            self.by_node.remove(&node);
        }
        self.welcome_soon(at);
        Some((at, fresh))
    }

    fn place_for(&mut self, identity: Identity, name: String, from: IpAddr) -> Option<usize> {
        if let Some(&at) = self.by_identity.get(&identity) {
            return Some(at);
        }
        let same = self.places_of_key(&identity.0);
        let expected = same
            .iter()
            .find(|&&at| self.members[at].installation.is_none());
        let enrolled = same.iter().any(|&at| self.members[at].enrolled);
        let at = match expected.copied() {
            Some(at) => {
                self.unheard -= usize::from(self.members[at].enrolled);
                at
            }
            None if same.len() >= CLONES_MAX || self.members.len() >= ROSTER_MAX => return None,
            None => self.add(identity.0, name, enrolled),
        };
        if !enrolled {
            let behind = self.behind.entry(from).or_default();
            behind.all += 1;
            behind.unproven += 1;
        }
        self.by_identity.insert(identity, at);
        Some(at)
    }

    /// A message was sealed by this life of the member: it is there, and the one
    /// that is served from now on. `newest`: it speaks from where it is now.
    pub(in crate::sender) fn prove(
        &mut self,
        now: Time,
        at: usize,
        pending: Option<usize>,
        newest: bool,
        from: SocketAddr,
        positions: &[u64],
    ) {
        let enrolled = self.members[at].enrolled;
        let first = !self.members[at].proven;
        if let (true, false, Some(address)) = (first, enrolled, self.members[at].address)
            && let Some(behind) = self.behind.get_mut(&address.ip())
        {
            behind.unproven = behind.unproven.saturating_sub(1);
        }
        let aside = self.alone.is_some_and(|alone| alone != at);
        let stale = self.change(at, |member| {
            member.proven = true;
            member.heard = now;
            let mut stale = None;
            if let Some(pending) = pending {
                let life = member.pending.remove(pending);
                let before = member.node;
                member.begin_life(life, positions);
                stale = Some(before).filter(|node| !member.answers_to(*node));
                member.state = match (&member.state, aside) {
                    (MemberState::Aside, _) | (_, true) => MemberState::Aside,
                    (slow @ MemberState::Slow { .. }, _) => slow.clone(),
                    _ => MemberState::Receiving,
                };
            } else if matches!(member.state, MemberState::Stalled)
                || newest && matches!(member.state, MemberState::Refused(_))
            {
                // It speaks: what refused was an offer that somebody had broken.
                member.state = MemberState::Receiving;
            }
            if newest {
                member.address = Some(from);
            }
            stale
        });
        self.stall_at = Time::ZERO;
        if let Some(node) = stale {
            self.by_node.remove(&node);
        }
    }

    /// The node id that `at` wants, unless another device has it.
    fn free_node(&self, wanted: u32, at: usize, key: &PublicKey) -> u32 {
        let mut node = wanted;
        let [a, b, c, d] = core::array::from_fn(|byte| key.as_bytes()[8 + byte]);
        let mut salt = u32::from_be_bytes([a, b, c, d]);
        loop {
            let taken = self.by_node.get(&node).is_some_and(|&holder| holder != at);
            if !taken && node != 0 && node != u32::MAX {
                return node;
            }
            node = node.wrapping_add(salt | 1);
            salt = salt.rotate_left(5).wrapping_add(1);
        }
    }

    /// Enters a completion or a failure of the life that is served, if it is newer
    /// than what is known of it; whether it was.
    pub(in crate::sender) fn complete(&mut self, now: Time, at: usize, complete: Complete) -> bool {
        self.change(at, |member| {
            member.heard = now;
            if complete.count <= member.outcome {
                return false;
            }
            member.outcome = complete.count;
            member.completed_at = Some(now);
            member.lost = member.lost.max(complete.figures.lost_symbols);
            (member.had, member.figures) = (complete.had, complete.figures);
            member.state = match complete.error {
                None => MemberState::Complete,
                Some(error) => MemberState::Failed(error),
            };
            true
        })
    }

    /// A device refuses the session, or leaves it; whether that was news. One that
    /// was not heard before is entered with its refusal.
    pub(in crate::sender) fn refuse(
        &mut self,
        now: Time,
        key: PublicKey,
        from: SocketAddr,
        refusal: Refusal,
    ) -> bool {
        let identity = (key, refusal.installation);
        let Some(at) = self.place_for(identity, refusal.name.clone(), from.ip()) else {
            return false;
        };
        // Only the life that is served can leave; a replay of another is old news.
        let other = self.members[at].life.as_ref();
        if other.is_some_and(|life| life.number != refusal.life) {
            return false;
        }
        self.change(at, |member| {
            member.installation = Some(identity.1);
            (member.heard, member.address) = (now, member.address.or(Some(from)));
            // It signed it: that it is there needs no other proof.
            member.proven = true;
            if member.state == MemberState::Complete {
                return false;
            }
            let news = !matches!(&member.state, MemberState::Refused(old) if *old == refusal);
            member.state = MemberState::Refused(refusal);
            news
        })
    }

    /// Marks receivers that said nothing for `timeout` as stalled, and those that
    /// never proved to be there.
    pub(in crate::sender) fn stall(&mut self, now: Time, timeout: Duration) {
        if now < self.stall_at {
            return;
        }
        self.stall_at = Time::NEVER;
        for at in 0..self.members.len() {
            let member = &self.members[at];
            if !member.is_awaited() {
                continue;
            }
            let hold = if member.proven {
                timeout
            } else {
                UNPROVEN_HOLD
            };
            let stalls = member.heard + hold;
            if stalls <= now {
                self.set_state(at, MemberState::Stalled);
            } else {
                self.stall_at = self.stall_at.min(stalls);
            }
        }
    }
}
