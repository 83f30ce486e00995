use super::*;
use crate::hex;
use crate::limits::PARITY_MAX;
use crate::offer::{DESCRIPTOR_SCHEMA, Descriptor};
use crate::wire::PayloadId;

const GRTT: Duration = Duration::from_millis(10);
const K: u16 = 100;

fn ledger() -> Ledger {
    let descriptor = Descriptor {
        schema: DESCRIPTOR_SCHEMA.into(),
        session: hex(&[1; 16]),
        session_key: hex(&[2; 32]),
        symbol_bytes: 1024,
        block_symbols: K,
        codec: "gf16-low".into(),
        num_parity: PARITY_MAX,
        lanes: 1,
        window_packets: 3072,
    };
    let shape = SessionShape::new(&descriptor, 1024 * 1000, [0; 32]).unwrap();
    Ledger::new(&shape)
}

fn at(ms: u64) -> Time {
    Time::from_ns(1_000_000_000 + ms * 1_000_000)
}

fn ask(ledger: &mut Ledger, now: Time, sbn: u32, from: u16, deficit: u16) -> bool {
    let id = |esi| PayloadId {
        sbn,
        block_len: K,
        esi,
    };
    let (first, last) = (id(K + from), id(K + from + deficit - 1));
    ledger.request(
        now,
        GRTT,
        &Span {
            level: Level::SEGMENT,
            toi: IMAGE_TOI,
            first,
            last,
        },
    )
}

fn order(sbn: u32, first: u16, count: u16) -> RepairOrder {
    RepairOrder {
        toi: IMAGE_TOI,
        sbn,
        first,
        count,
    }
}

#[test]
fn what_was_asked_before_the_first_transmission_is_forgotten() {
    let mut ledger = ledger();
    assert!(ask(&mut ledger, at(0), 3, 0, 5));
    ledger.schedule(IMAGE_TOI, 3);
    assert_eq!(ledger.close(at(50)), []);
    ledger.sent(at(60), IMAGE_TOI, 3, 0);
    assert!(ask(&mut ledger, at(80), 3, 0, 5));
    assert_eq!(ledger.close(at(90)), [order(3, K, 5)]);
}

#[test]
fn the_greatest_deficit_of_many_receivers_makes_one_order() {
    let mut ledger = ledger();
    for deficit in [3, 7, 5] {
        ask(&mut ledger, at(0), 4, 0, deficit);
    }
    assert!(ledger.close(at(2)).is_empty(), "a quarter of a round trip");
    assert_eq!(ledger.close(at(10)), [order(4, K, 7)]);
}

#[test]
fn a_request_that_crossed_the_repair_adds_only_the_difference() {
    let mut ledger = ledger();
    ask(&mut ledger, at(0), 4, 0, 7);
    ledger.close(at(10));
    assert!(!ask(&mut ledger, at(11), 4, 0, 7), "ordered already");
    ledger.sent(at(12), IMAGE_TOI, 4, 0);
    assert!(!ask(&mut ledger, at(13), 4, 0, 6), "under way");
    assert!(ask(&mut ledger, at(13), 4, 0, 9));
    assert_eq!(ledger.close(at(23)), [order(4, K + 7, 2)]);
}

#[test]
fn repairs_that_were_lost_are_followed_by_fresh_parity() {
    let mut ledger = ledger();
    ask(&mut ledger, at(0), 4, 0, 7);
    ledger.close(at(10));
    ledger.sent(at(12), IMAGE_TOI, 4, 0);
    assert!(
        ask(&mut ledger, at(50), 4, 5, 2),
        "two of the seven were lost"
    );
    assert_eq!(ledger.close(at(60)), [order(4, K + 7, 2)]);
    ledger.sent(at(62), IMAGE_TOI, 4, 0);
    assert!(ask(&mut ledger, at(100), 4, 0, 7), "all nine were lost");
    assert_eq!(ledger.close(at(110)), [order(4, K + 9, 7)]);
}

#[test]
fn proactive_parity_is_not_sent_again() {
    let mut ledger = ledger();
    ledger.schedule(IMAGE_TOI, 2);
    assert!(
        !ask(&mut ledger, at(0), 2, 0, 3),
        "the first transmission is still to come"
    );
    ledger.sent(at(1), IMAGE_TOI, 2, 8);
    assert!(ask(&mut ledger, at(2), 2, 8, 3));
    assert_eq!(ledger.close(at(12)), [order(2, K + 8, 3)]);
}

#[test]
fn a_block_that_is_missing_whole_is_sent_as_its_sources_once() {
    let mut ledger = ledger();
    let id = |sbn| PayloadId {
        sbn,
        block_len: K,
        esi: 0,
    };
    let span = Span {
        level: Level::BLOCK,
        toi: IMAGE_TOI,
        first: id(1),
        last: id(3),
    };
    assert!(ledger.request(at(0), GRTT, &span));
    ask(&mut ledger, at(1), 2, 0, 9);
    let orders = ledger.close(at(10));
    assert_eq!(orders, [order(1, 0, K), order(2, 0, K), order(3, 0, K)]);
    assert!(!ledger.request(at(11), GRTT, &span));
    for sbn in 1..=3 {
        ledger.sent(at(12), IMAGE_TOI, sbn, 0);
    }
    assert!(ledger.is_idle());
}

#[test]
fn source_ranges_are_merged() {
    let mut ledger = ledger();
    let id = |esi| PayloadId {
        sbn: 0,
        block_len: K,
        esi,
    };
    for (a, b) in [(5, 9), (20, 22), (8, 12), (13, 13)] {
        let (first, last) = (id(a), id(b));
        ledger.request(
            at(0),
            GRTT,
            &Span {
                level: Level::SEGMENT,
                toi: IMAGE_TOI,
                first,
                last,
            },
        );
    }
    assert_eq!(ledger.close(at(10)), [order(0, 5, 9), order(0, 20, 3)]);
}

#[test]
fn when_parity_is_used_up_the_sources_come_again() {
    let mut ledger = ledger();
    assert!(ask(&mut ledger, at(0), 0, PARITY_MAX - 3, 5));
    assert_eq!(ledger.close(at(10)), [order(0, 0, K)]);
}

#[test]
fn the_last_fresh_parity_goes_out_before_what_a_receiver_has_not_had() {
    let mut ledger = ledger();
    ledger.sent(at(0), IMAGE_TOI, 0, PARITY_MAX - 2);
    assert!(ask(&mut ledger, at(100), 0, PARITY_MAX - 10, 5));
    let (fresh, again) = (K + PARITY_MAX - 2, K + PARITY_MAX - 10);
    assert_eq!(
        ledger.close(at(110)),
        [order(0, fresh, 2), order(0, again, 3)]
    );
    ledger.sent(at(110), IMAGE_TOI, 0, PARITY_MAX);
    ledger.sent(at(110), IMAGE_TOI, 0, PARITY_MAX);
    assert!(ask(&mut ledger, at(200), 0, PARITY_MAX - 10, 5));
    assert_eq!(ledger.close(at(210)), [order(0, again, 5)]);
}

#[test]
fn who_lacks_parity_is_served_by_the_sources_that_another_needs() {
    let mut ledger = ledger();
    ledger.sent(at(0), IMAGE_TOI, 0, PARITY_MAX - 2);
    let id = PayloadId {
        sbn: 0,
        block_len: K,
        esi: 0,
    };
    let span = Span {
        level: Level::BLOCK,
        toi: IMAGE_TOI,
        first: id,
        last: id,
    };
    assert!(ledger.request(at(100), GRTT, &span));
    // Two fresh symbols, and the first three once more.
    assert!(ask(&mut ledger, at(101), 0, 0, 5));
    assert_eq!(ledger.close(at(110)), [order(0, 0, K)]);
}

#[test]
fn nonsense_orders_nothing() {
    let mut ledger = ledger();
    let id = |sbn, block_len, esi| PayloadId {
        sbn,
        block_len,
        esi,
    };
    let mut ask = |level, toi, first, last| {
        ledger.request(
            at(0),
            GRTT,
            &Span {
                level,
                toi,
                first,
                last,
            },
        )
    };
    assert!(!ask(Level::SEGMENT, IMAGE_TOI, id(99, K, 0), id(99, K, 1)));
    assert!(!ask(Level::SEGMENT, IMAGE_TOI, id(0, K, 9), id(0, K, 1)));
    assert!(!ask(
        Level::SEGMENT,
        IMAGE_TOI,
        id(0, K + 1, 0),
        id(0, K + 1, 1)
    ));
    assert!(!ask(Level::SEGMENT, 77, id(0, K, 0), id(0, K, 1)));
    assert!(ledger.is_idle());
}

#[test]
fn the_group_is_told_at_once_and_then_four_times_a_round_trip() {
    let mut ledger = ledger();
    ask(&mut ledger, at(100), 4, 0, 3);
    assert_eq!(
        ledger.poll_advertisement(at(100)).unwrap(),
        [order(4, K, 3)]
    );
    ask(&mut ledger, at(101), 4, 0, 5);
    assert_eq!(ledger.poll_timeout(), Some(at(100) + GRTT / 4));
    assert_eq!(ledger.poll_advertisement(at(101)), None);
    let later = at(100) + GRTT / 4;
    assert_eq!(ledger.poll_advertisement(later).unwrap(), [order(4, K, 5)]);
    assert_eq!(ledger.poll_advertisement(at(200)), None);
}

#[test]
fn a_block_is_topped_up_to_what_it_has_not_had() {
    let mut ledger = ledger();
    ledger.schedule(IMAGE_TOI, 2);
    assert_eq!(ledger.top_up(IMAGE_TOI, 2, 9), None, "not sent yet");
    ledger.sent(at(50), IMAGE_TOI, 2, 4);
    assert_eq!(ledger.top_up(IMAGE_TOI, 2, 4), None, "it has had that");
    let topped = ledger.top_up(IMAGE_TOI, 2, 9).unwrap();
    assert_eq!(topped, order(2, K + 4, 5));
    let spare = ledger.add_spare(&topped, 2).unwrap();
    assert_eq!(spare, order(2, K + 9, 2));
    assert_eq!(ledger.outstanding(), 2);
}
