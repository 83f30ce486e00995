//! The transmit lanes as the state machine sees them: orders in, paced packets
//! out, departures reported.

use crate::image::Objects;
use crate::packet::Body;
use crate::trunk::Departure;
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::pacer::{l2_bytes, train_packets};
use linecast_protocol::sender::{Class, Control, Order, RepairShare};
use linecast_protocol::wire::{DATA_HEADER_BYTES, DataHeader, Fti, PayloadId, flag};
use std::collections::{BTreeMap, VecDeque};

/// NORM source id of the simulated sender.
pub(crate) const SOURCE_ID: u32 = 77;

/// Symbols of one block that wait to be sent.
#[derive(Debug, Clone, Copy)]
struct Job {
    toi: u16,
    sbn: u32,
    next: u16,
    /// One past the last ESI; for a first transmission known when it begins.
    end: u16,
    first: bool,
    /// Somebody asked for it.
    asked: bool,
}

#[derive(Debug, Default)]
struct Lane {
    first: VecDeque<Job>,
    repair: VecDeque<Job>,
    share: RepairShare,
    position: u64,
    limit: u64,
    free_at: u64,
}

/// Everything of one order has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub at: u64,
    pub toi: u16,
    pub sbn: u32,
    pub parity_end: u16,
    pub first: bool,
}

/// What was sent, by purpose.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub source: u64,
    pub parity: u64,
    pub repair: u64,
    pub data_bytes: u64,
    /// Of them, symbols for one receiver alone.
    pub unicast: u64,
}

/// A parity symbol went out a second time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeated {
    pub at: u64,
    pub toi: u16,
    pub sbn: u32,
    pub index: u16,
}

/// All lanes of one sender.
#[derive(Debug)]
pub(crate) struct Lanes {
    instance_id: u16,
    lanes: Vec<Lane>,
    pub sent: VecDeque<Sent>,
    pub totals: Totals,
    /// Symbols sent of each block so far, and the next fresh parity index.
    blocks: BTreeMap<(u16, u32), (u32, u16)>,
    pub repeated: Vec<Repeated>,
}

impl Lanes {
    pub(crate) fn new(count: u8, instance_id: u16) -> Lanes {
        Lanes {
            instance_id,
            lanes: (0..count).map(|_| Lane::default()).collect(),
            sent: VecDeque::new(),
            totals: Totals::default(),
            blocks: BTreeMap::new(),
            repeated: Vec::new(),
        }
    }

    pub(crate) fn positions(&self) -> Vec<u64> {
        self.lanes.iter().map(|lane| lane.position).collect()
    }

    pub(crate) fn set_limit(&mut self, lane: usize, limit: u64) {
        self.lanes[lane].limit = limit;
    }

    /// Queues an order.
    pub(crate) fn take(&mut self, now: u64, order: Order, objects: &Objects) {
        let mut push = |toi, sbn, next, end, first, asked| {
            let lane = &mut self.lanes[objects.shape.lane(toi, sbn)];
            if lane.first.is_empty() && lane.repair.is_empty() {
                lane.free_at = lane.free_at.max(now);
            }
            let job = Job {
                toi,
                sbn,
                next,
                end,
                first,
                asked,
            };
            if first {
                lane.first.push_back(job);
            } else {
                lane.repair.push_back(job);
            }
        };
        match order {
            Order::FirstPass { toi, blocks } => {
                blocks.for_each(|sbn| push(toi, sbn, 0, 0, true, false));
            }
            Order::Repair(repair) | Order::Parity(repair) => {
                let end = repair.first + repair.count;
                let asked = matches!(order, Order::Repair(_));
                push(repair.toi, repair.sbn, repair.first, end, false, asked);
            }
        }
    }

    /// When the next train can leave, and from which lane.
    pub(crate) fn next_departure(&self) -> Option<(u64, usize)> {
        let ready = |lane: &Lane| {
            let work = !lane.first.is_empty() || !lane.repair.is_empty();
            work && lane.position < lane.limit
        };
        self.lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| ready(lane))
            .map(|(n, lane)| (lane.free_at, n))
            .min()
    }

    /// Whether a lane has work and stands at the end of its window.
    pub(crate) fn is_held(&self) -> bool {
        self.lanes.iter().any(|lane| {
            (!lane.first.is_empty() || !lane.repair.is_empty()) && lane.position >= lane.limit
        })
    }

    /// A lane that was held goes on now.
    pub(crate) fn resume_at(&mut self, now: u64) {
        for lane in &mut self.lanes {
            lane.free_at = lane.free_at.max(now);
        }
    }

    /// Symbols beside first transmissions that wait in all lanes.
    pub(crate) fn waiting(&self) -> usize {
        let jobs = self.lanes.iter().flat_map(|lane| &lane.repair);
        jobs.map(|job| usize::from(job.end - job.next)).sum()
    }

    /// Sends one train of lane `at`.
    pub(crate) fn depart(
        &mut self,
        at: usize,
        control: &Control,
        objects: &mut Objects,
        out: &mut Vec<Departure>,
    ) {
        let count = self.lanes.len() as u64;
        let lane = &mut self.lanes[at];
        let Some(class) = lane
            .share
            .choose(!lane.first.is_empty(), false, !lane.repair.is_empty())
        else {
            return;
        };
        let queue = if class == Class::First {
            &mut lane.first
        } else {
            &mut lane.repair
        };
        let Some(job) = queue.front_mut() else { return };
        let len = objects.layout(job.toi).block_len(job.sbn);
        if job.end == 0 {
            job.end = len
                + control
                    .loss
                    .parity_of(job.toi, objects.layout(job.toi), job.sbn);
        }
        let rate = (control.rate_bps / count).max(1);
        let width = usize::from(objects.layout(job.toi).symbol_bytes());
        let train = train_packets(rate, DATA_HEADER_BYTES + width) as u64;
        let room = lane.limit - lane.position;
        let packets = u64::from(job.end - job.next).min(train).min(room) as u16;
        let mut job = *job;
        for esi in job.next..job.next + packets {
            let flags = if job.first { 0 } else { flag::REPAIR };
            let sequence = self.lanes[at].position as u16;
            let left_at = self.lanes[at].free_at;
            let body = self.packet(objects, control, job, esi, flags, sequence);
            let bits = l2_bytes(body.bytes(), false) as u64 * 8;
            self.count(job, esi, objects.layout(job.toi), left_at, &body);
            self.totals.unicast += u64::from(control.target.is_some() && job.toi == IMAGE_TOI);
            let ordinal = self.blocks[&(job.toi, job.sbn)].0;
            out.push(Departure {
                to: control.target,
                ordinal,
                ..Departure::new(left_at, body)
            });
            let lane = &mut self.lanes[at];
            lane.position += 1;
            lane.free_at += (u128::from(bits) * 1_000_000_000 / u128::from(rate)) as u64;
        }
        job.next += packets;
        let lane = &mut self.lanes[at];
        lane.share.spend(class, packets.into());
        let queue = if class == Class::First {
            &mut lane.first
        } else {
            &mut lane.repair
        };
        if job.next < job.end {
            queue[0] = job;
            return;
        }
        queue.pop_front();
        self.sent.push_back(Sent {
            at: lane.free_at,
            toi: job.toi,
            sbn: job.sbn,
            parity_end: job.end.saturating_sub(len),
            first: job.first,
        });
    }

    fn packet(
        &self,
        objects: &mut Objects,
        control: &Control,
        job: Job,
        esi: u16,
        flags: u8,
        sequence: u16,
    ) -> Body {
        let header = data_header(
            objects,
            control,
            (self.instance_id, sequence, flags),
            job.toi,
            (job.sbn, esi),
        );
        Body::Data {
            len: symbol_len(objects, job.toi, job.sbn, esi),
            header,
            payload: objects.symbol(job.toi, job.sbn, esi),
        }
    }

    fn count(&mut self, job: Job, esi: u16, layout: &ObjectLayout, at: u64, body: &Body) {
        let len = layout.block_len(job.sbn);
        let (sent, fresh) = self.blocks.entry((job.toi, job.sbn)).or_default();
        *sent += 1;
        if let Some(index) = esi.checked_sub(len) {
            if index < *fresh && *fresh < layout.parity_max() {
                self.repeated.push(Repeated {
                    at,
                    toi: job.toi,
                    sbn: job.sbn,
                    index,
                });
            }
            *fresh = (*fresh).max(index + 1);
        }
        if job.toi != IMAGE_TOI {
            return;
        }
        self.totals.data_bytes += body.bytes() as u64;
        if job.asked {
            self.totals.repair += 1;
        } else if esi < len {
            self.totals.source += 1;
        } else {
            self.totals.parity += 1;
        }
    }
}

/// Bytes that symbol `esi` of a block has on the wire.
pub(crate) fn symbol_len(objects: &Objects, toi: u16, sbn: u32, esi: u16) -> u16 {
    let layout = objects.layout(toi);
    if esi < layout.block_len(sbn) {
        layout.symbol_len(sbn, esi) as u16
    } else {
        layout.symbol_bytes()
    }
}

/// The header of one symbol; `what` is instance id, sequence and flags.
pub(crate) fn data_header(
    objects: &Objects,
    control: &Control,
    what: (u16, u16, u8),
    toi: u16,
    (sbn, esi): (u32, u16),
) -> DataHeader {
    let layout = objects.layout(toi);
    let (instance_id, sequence, flags) = what;
    let mut sender = control.word;
    sender.instance_id = instance_id;
    DataHeader {
        sequence,
        source_id: SOURCE_ID,
        sender,
        flags,
        toi,
        id: PayloadId {
            sbn,
            block_len: layout.block_len(sbn),
            esi,
        },
        fti: Some(Fti {
            object_size: layout.size(),
            fec_instance: objects.codec(toi).fec_instance(),
            symbol_bytes: layout.symbol_bytes(),
            max_block_len: layout.block_len_max(),
            num_parity: layout.parity_max(),
        }),
    }
}
