//! Receivers that an attacker makes up, with keys of their own.

use super::devices::Device;
use super::ground::{Datagram, Generator, Ground};
use super::messages;
use super::overheard::{Overheard, Sender, Session};
use super::replies;
use linecast_protocol::limits::MESSAGE_BYTES_MAX;
use linecast_protocol::wire::Timestamp;
use std::collections::VecDeque;

/// One datagram in so many is longer than any message.
const LONG_EVERY: u32 = 8;
const LONG_BYTES: usize = 60 << 10;
/// Messages between two registrations of one device: a sender may have missed it.
const REGISTER_EVERY: usize = 50;
/// Devices that register at length: more than an attack has time for.
const LENGTHY: u32 = 2_000;
const MANY: u32 = 10_000;
/// Devices or lives that wait for their welcome.
const WAITING: usize = 256;
/// Milliseconds that a false round trip takes.
const LONG_TRIP_MS: u64 = 9_000;

/// To the sender, from the address that goes with a device.
fn to_sender(ground: &Ground, number: u32, bytes: Vec<u8>) -> Option<Datagram> {
    Some(Datagram {
        mask: Ground::stranger(number),
        to: ground.sender,
        bytes,
    })
}

/// Signed messages of one session, made when they are needed first: signing
/// takes longer than sending.
#[derive(Default)]
struct Pool {
    session: String,
    packets: Vec<Vec<u8>>,
}

impl Pool {
    /// The message of this number.
    fn get(
        &mut self,
        overheard: &Overheard,
        number: u32,
        make: impl FnOnce(Sender, &Session) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let (sender, session) = (overheard.sender?, overheard.session.as_ref()?);
        if session.descriptor.session != self.session {
            self.session.clone_from(&session.descriptor.session);
            self.packets.clear();
        }
        let at = number as usize;
        if self.packets.len() <= at {
            // Turns do not begin anew with a session.
            self.packets.resize(at + 1, Vec::new());
        }
        let packet = &mut self.packets[at];
        if packet.is_empty() {
            *packet = make(sender, session)?;
        }
        Some(packet.clone())
    }
}

/// One message of each of `count` devices, in turn, as `make` signs it.
fn each_once(
    ground: Ground,
    count: u32,
    make: impl Fn(u32, Sender, &Session) -> Option<Vec<u8>> + Send + 'static,
) -> Generator {
    let mut pool = Pool::default();
    let mut turn = 0;
    Box::new(move |overheard: &Overheard| {
        let number = turn % count;
        let bytes = pool.get(overheard, number, |sender, session| {
            make(number, sender, session)
        })?;
        turn += 1;
        to_sender(&ground, number, bytes)
    })
}

/// Registers many devices, each in a message as large as may be, or larger.
pub(super) fn register_at_length(ground: Ground) -> Generator {
    each_once(ground, LENGTHY, |number, sender, session| {
        let bytes = match number % LONG_EVERY {
            0 => LONG_BYTES,
            _ => MESSAGE_BYTES_MAX,
        };
        let large = |register: &mut _| replies::enlarge(register, bytes);
        Some(Device::new(number).register(sender, session, large))
    })
}

/// Registers one life of a device under ever new node ids.
pub(super) fn rename_node(ground: Ground) -> Generator {
    const NAMES: u32 = 2_000;
    let mut pool = Pool::default();
    let mut turn = 0;
    Box::new(move |overheard: &Overheard| {
        let number = turn % NAMES;
        let bytes = pool.get(overheard, number, |sender, session| {
            let device = Device::new(0).renamed(number);
            Some(device.register(sender, session, |_| {}))
        })?;
        turn += 1;
        to_sender(&ground, 0, bytes)
    })
}

/// Registers one device after the other that `next` makes, and lets each that is
/// welcome prove itself.
fn register_each(ground: Ground, next: fn(Device, u32) -> Device) -> Generator {
    let device = Device::new(0);
    let mut waiting: VecDeque<Device> = VecDeque::new();
    let mut turn = 0;
    Box::new(move |overheard: &Overheard| {
        let (sender, session) = (overheard.sender?, overheard.session.as_ref()?);
        turn += 1;
        if turn % 2 == 0 {
            let mut proof = None;
            waiting.retain_mut(|device| {
                if proof.is_none() {
                    proof = device.say(overheard, overheard.probe, |voice| voice.status((0, 0), 0));
                    return proof.is_none();
                }
                true
            });
            if let Some(bytes) = proof {
                return to_sender(&ground, 0, bytes);
            }
        }
        let device = next(device.clone(), turn);
        let bytes = device.register(sender, session, |_| {});
        waiting.push_back(device);
        if waiting.len() > WAITING {
            waiting.pop_front();
        }
        to_sender(&ground, 0, bytes)
    })
}

/// One device in ever new lives, under ever new node ids.
pub(super) fn live_often(ground: Ground) -> Generator {
    register_each(ground, |device, turn| device.reborn(turn).renamed(turn))
}

/// One key on ever new machines.
pub(super) fn clone_often(ground: Ground) -> Generator {
    register_each(ground, |device, turn| device.cloned(turn).renamed(turn))
}

/// Registers ten thousand keys; those that are welcome claim loss.
pub(super) fn register_many_keys(ground: Ground) -> Generator {
    let mut pool = Pool::default();
    let mut devices: Vec<Device> = (0..MANY).map(Device::new).collect();
    let mut turn = 0;
    Box::new(move |overheard: &Overheard| {
        let number = turn % MANY;
        let device = &mut devices[number as usize];
        let (counts, sequence) = half_lost(overheard);
        let said = device.say(overheard, overheard.probe, |voice| {
            voice.status(counts, sequence)
        });
        let bytes = match said {
            Some(bytes) => bytes,
            None => pool.get(overheard, number, |sender, session| {
                Some(device.register(sender, session, |_| {}))
            })?,
        };
        turn += 1;
        to_sender(&ground, number, bytes)
    })
}

/// Ten thousand keys refuse the session.
pub(super) fn refuse_with_many_keys(ground: Ground) -> Generator {
    each_once(ground, MANY, |number, sender, session| {
        Device::new(number).refuse(sender, session, ("stranger", "no, thank you"))
    })
}

/// Registers and refuses with names and reasons that a terminal would act on.
pub(super) fn name_for_terminals(ground: Ground) -> Generator {
    const NAMES: u32 = 500;
    each_once(ground, NAMES, |number, sender, session| {
        let text = messages::TERMINAL_TEXT;
        let device = Device::new(number);
        match number % 4 {
            0 => Some(device.register(sender, session, replies::name_for_terminals)),
            1 => device.refuse(sender, session, (text, "")),
            2 => device.refuse(sender, session, ("stranger", text)),
            // Printable, and all of it that may be shown.
            _ => device.refuse(sender, session, (&"| ".repeat(32), &"\\u{1b} ".repeat(73))),
        }
    })
}

/// Registers three devices, and says that they have the image.
pub(super) fn complete_without_device(ground: Ground) -> Generator {
    const DEVICES: u32 = 3;
    let mut pool = Pool::default();
    let mut devices: Vec<Device> = (0..DEVICES).map(Device::new).collect();
    let mut turn = 0;
    Box::new(move |overheard: &Overheard| {
        let number = turn % DEVICES;
        let device = &mut devices[number as usize];
        let registers = (turn / DEVICES).is_multiple_of(REGISTER_EVERY as u32);
        let complete = if registers {
            None
        } else {
            device.complete(overheard)
        };
        let bytes = match complete {
            Some(bytes) => bytes,
            None => pool.get(overheard, number, |sender, session| {
                Some(device.register(sender, session, |_| {}))
            })?,
        };
        turn += 1;
        to_sender(&ground, number, bytes)
    })
}

/// Registers one device as `change` has it, and goes on with what `say` makes.
fn registered(
    ground: Ground,
    change: fn(&mut serde_json::Value),
    mut say: impl FnMut(&Overheard, &mut Device, usize) -> Option<Vec<u8>> + Send + 'static,
) -> Generator {
    let mut pool = Pool::default();
    let mut device = Device::new(0);
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let said = match count % REGISTER_EVERY {
            0 => None,
            _ => say(overheard, &mut device, count),
        };
        let bytes = match said {
            Some(bytes) => bytes,
            None => pool.get(overheard, 0, |sender, session| {
                Some(device.register(sender, session, change))
            })?,
        };
        count += 1;
        to_sender(&ground, 0, bytes)
    })
}

/// Asks for everything, in as many ranges as there are, or in datagrams as long
/// as there are.
pub(super) fn nack_at_length(ground: Ground) -> Generator {
    registered(
        ground,
        |_| {},
        |overheard, device, count| {
            let place = overheard.place;
            device.say(overheard, overheard.probe, |voice| {
                match (count % LONG_EVERY as usize, place) {
                    (0, _) => voice.greedy_nack(LONG_BYTES),
                    (1, _) | (_, None) => voice.greedy_nack(MESSAGE_BYTES_MAX),
                    (_, Some(place)) => {
                        voice.overlapping_nack(&place, count as u32, MESSAGE_BYTES_MAX)
                    }
                }
            })
        },
    )
}

/// Who keeps up, and takes nearly every second packet for lost.
fn half_lost(overheard: &Overheard) -> ((u64, u64), u16) {
    let symbols = overheard.symbols;
    let counts = (symbols * 55 / 100, symbols * 45 / 100);
    (counts, overheard.place.map_or(0, |place| place.sequence))
}

/// Keeps up, and says that nearly every second packet was lost.
pub(super) fn claim_loss(ground: Ground) -> Generator {
    registered(
        ground,
        |_| {},
        |overheard, device, _| {
            let (counts, sequence) = half_lost(overheard);
            device.say(overheard, overheard.probe, |voice| {
                voice.status(counts, sequence)
            })
        },
    )
}

/// Gets on by a packet now and then, and has a buffer of one.
pub(super) fn hold_window(ground: Ground) -> Generator {
    let tiny = |register: &mut serde_json::Value| register["buffer_packets"] = 1.into();
    registered(ground, tiny, |overheard, device, count| {
        let read = count as u64 / 100;
        device.say(overheard, overheard.probe, |voice| {
            voice.status((read, 0), read as u16)
        })
    })
}

/// Keeps up, and says that its round trip takes nine seconds.
pub(super) fn claim_distance(ground: Ground) -> Generator {
    registered(
        ground,
        |_| {},
        |overheard, device, _| {
            let stamp = messages::stamp_before(overheard, LONG_TRIP_MS);
            let ((received, lost), sequence) = half_lost(overheard);
            device.say(overheard, stamp, |voice| {
                voice.status((received + lost, 0), sequence)
            })
        },
    )
}

/// Says, sealed, what nobody could have counted.
pub(super) fn count_too_much(ground: Ground) -> Generator {
    const MANY: u64 = 1 << 63;
    registered(
        ground,
        |_| {},
        |overheard, device, count| {
            let counts = [(MANY, MANY), (MANY, 0), (0, MANY), (u64::MAX, u64::MAX)][count % 4];
            device.say(overheard, Timestamp::default(), |voice| {
                voice.status(counts, count as u16)
            })
        },
    )
}

/// Has some leaves, and lacks those of pages that no image has.
pub(super) fn lack_nowhere(ground: Ground) -> Generator {
    let half = |register: &mut serde_json::Value| register["held"] = (u64::MAX / 2).into();
    registered(ground, half, |overheard, device, count| {
        let page = match count % 3 {
            0 => u32::MAX,
            1 => 1 << 31,
            _ => 64 + count as u32,
        };
        device.say(overheard, overheard.probe, |voice| voice.page(page))
    })
}
