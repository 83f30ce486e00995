//! Restoring blocks: indices and lengths may be anything, and what is restored from
//! honest symbols is what was encoded.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use linecast_fec::{Codec, Decoder, Encoder, FecError};

#[derive(Debug, Arbitrary)]
struct Case {
    gf16: bool,
    units: u8,
    longest: u16,
    len: u16,
    /// Bit `i % 64`: source `i` is lost.
    lost: u64,
    /// What is given of the parity, as steps from index to index.
    steps: [u8; 12],
    /// Given beside that: an index, how long it is, whether as a source.
    odd: Option<(u16, u8, bool)>,
}

fuzz_target!(|data: &[u8]| {
    if let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) {
        check(&case);
    }
});

fn check(case: &Case) {
    let codec = Codec::ALL[usize::from(!case.gf16)];
    // Symbols of all remainders of the vector's width, and blocks that are short
    // enough to be quick: beyond 64 the loss repeats itself.
    let bytes = codec.symbol_unit() * (usize::from(case.units) % 80);
    let most = if case.longest & 0x0f == 0x0f { 270 } else { 40 };
    let longest = usize::from(case.longest >> 4) % most;
    let len = usize::from(case.len) % most;
    let Ok(mut encoder) = Encoder::new(codec, bytes, longest) else {
        return assert!(Decoder::new(codec, bytes, longest).is_err());
    };
    let mut decoder = Decoder::new(codec, bytes, longest).expect("as the encoder has it");
    let sources: Vec<Vec<u8>> = (0..len).map(|at| noise(at, bytes)).collect();
    let indices = steps(&case.steps);
    let end = indices.last().map_or(0, |last| last + 1);
    let mut parity = Vec::new();
    let made = encoder.parity(
        sources.iter().map(Vec::as_slice),
        0..end,
        |index, symbol| {
            if indices.contains(&index) {
                parity.push((index, symbol.to_vec()));
            }
        },
    );
    let possible = (1..=longest).contains(&len) && end <= codec.max_parity(longest);
    assert_eq!(made.is_ok(), possible, "{made:?}");
    let is_lost = |at: usize| case.lost >> (at % 64) & 1 == 1;
    let kept = sources.iter().cloned().enumerate();
    let mut given: Vec<(usize, Vec<u8>)> = kept.filter(|(at, _)| !is_lost(*at)).collect();
    let lost: Vec<usize> = (0..len).filter(|at| is_lost(*at)).collect();
    if let Some((index, length, source)) = case.odd {
        let symbol = (usize::from(index), vec![7; usize::from(length)]);
        let into = if source { &mut given } else { &mut parity };
        into.push(symbol);
        // It may be one that the block has, with other bytes: nothing is known then.
        let _ = restore(&mut decoder, len, &given, &parity);
        return;
    }
    let restored = restore(&mut decoder, len, &given, &parity);
    match restored {
        Ok(restored) => {
            let wanted: Vec<_> = lost.iter().map(|&at| (at, sources[at].clone())).collect();
            assert_eq!(restored, wanted);
        }
        Err(FecError::TooFew { limit, got }) => assert!(got < limit && parity.len() < lost.len()),
        Err(error) => assert!(!possible, "{error}"),
    }
}

fn restore(
    decoder: &mut Decoder,
    len: usize,
    sources: &[(usize, Vec<u8>)],
    parity: &[(usize, Vec<u8>)],
) -> Result<Vec<(usize, Vec<u8>)>, FecError> {
    let mut out = Vec::new();
    let sources = sources.iter().map(|(at, symbol)| (*at, symbol.as_slice()));
    let parity = parity.iter().map(|(at, symbol)| (*at, symbol.as_slice()));
    decoder.restore(len, sources, parity, |at, symbol| {
        out.push((at, symbol.to_vec()))
    })?;
    Ok(out)
}

/// A step of zero ends the list.
fn steps(steps: &[u8]) -> Vec<usize> {
    let some = steps.iter().take_while(|step| **step > 0);
    some.scan(0, |next, step| {
        *next += usize::from(*step);
        Some(*next - 1)
    })
    .collect()
}

fn noise(seed: usize, bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| (seed * 167 + at * 59 + ((seed * at) >> 3)) as u8)
        .collect()
}
