//! GF(2^8) with the polynomial x⁸ + x⁴ + x³ + x² + 1, in tables.
//!
//! An element is a byte, its bits the coefficients of a polynomial. Addition
//! is exclusive or. α = x = 2 generates all 255 elements but zero, so products
//! are sums of logarithms modulo 255.

/// The polynomial, with the bit of x⁸.
const POLYNOMIAL: u16 = 0x11d;
/// Order of the multiplicative group.
pub(super) const ORDER: usize = 255;

/// `EXP[n]` is αⁿ, three times round, so that two logarithms can be added, or
/// one subtracted and 255 added, without a reduction.
pub(super) static EXP: [u8; 3 * ORDER] = exp();
/// `LOG[x]` is the exponent of α in `0..255` that gives `x`; of 0 it is 0 and
/// means nothing.
pub(super) static LOG: [u8; 256] = log();
/// `NIBBLES[c]` holds the products of `c` with 0..=15, then with 0, 16, … 240:
/// what a byte shuffle looks products up in, half a byte at a time.
pub(super) static NIBBLES: [[u8; 32]; 256] = nibbles();
/// `MATRICES[c]` is the multiplication by `c` as the 8 × 8 bit matrix that
/// `gf2p8affineqb` takes: byte `7 - i` has the bits that sum to bit `i`.
pub(super) static MATRICES: [u64; 256] = matrices();

/// The product, for reference: by logarithms.
pub(super) fn mul(x: u8, y: u8) -> u8 {
    if x == 0 || y == 0 {
        return 0;
    }
    EXP[usize::from(LOG[x as usize]) + usize::from(LOG[y as usize])]
}

/// The product by shifting and adding, for the tables.
const fn multiply(x: u8, y: u8) -> u8 {
    let (mut product, mut bit) = (0u16, 8);
    while bit > 0 {
        bit -= 1;
        product <<= 1;
        if product & 0x100 != 0 {
            product ^= POLYNOMIAL;
        }
        if y >> bit & 1 != 0 {
            product ^= x as u16;
        }
    }
    product as u8
}

const fn exp() -> [u8; 3 * ORDER] {
    let mut table = [1; 3 * ORDER];
    let mut n = 1;
    while n < table.len() {
        table[n] = multiply(table[n - 1], 2);
        n += 1;
    }
    table
}

const fn log() -> [u8; 256] {
    let (exp, mut table) = (exp(), [0; 256]);
    let mut n = 0;
    while n < ORDER {
        table[exp[n] as usize] = n as u8;
        n += 1;
    }
    table
}

const fn nibbles() -> [[u8; 32]; 256] {
    let mut table = [[0; 32]; 256];
    let mut at = 0;
    while at < 256 * 16 {
        let (c, n) = (at / 16, at % 16);
        table[c][n] = multiply(c as u8, n as u8);
        table[c][16 + n] = multiply(c as u8, (n << 4) as u8);
        at += 1;
    }
    table
}

const fn matrices() -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 * 8 {
        let (c, column) = (at / 8, at % 8);
        let product = multiply(c as u8, 1 << column) as u64;
        let mut row = 0;
        while row < 8 {
            table[c] |= (product >> row & 1) << (8 * (7 - row) + column);
            row += 1;
        }
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_pairs() -> impl Iterator<Item = (u8, u8)> {
        (0..=255).flat_map(|x| (0..=255).map(move |y| (x, y)))
    }

    #[test]
    fn logarithms_give_the_products() {
        assert!(all_pairs().all(|(x, y)| mul(x, y) == multiply(x, y)));
        assert_eq!(mul(0x80, 2), 0x1d);
        assert_eq!(EXP[ORDER], 1);
        assert!((0..ORDER).all(|n| usize::from(LOG[EXP[n] as usize]) == n));
    }

    #[test]
    fn half_bytes_give_the_products() {
        for (x, y) in all_pairs() {
            let table = &NIBBLES[x as usize];
            let [low, high] = [y & 15, y >> 4].map(usize::from);
            assert_eq!(table[low] ^ table[16 + high], mul(x, y));
        }
    }

    /// As Intel's manual defines GF2P8AFFINEQB for one byte.
    #[test]
    fn bit_matrices_give_the_products() {
        for (x, y) in all_pairs() {
            let rows = MATRICES[x as usize].to_le_bytes();
            let bit = |i: usize| ((rows[7 - i] & y).count_ones() as u8 & 1) << i;
            assert_eq!((0..8).map(bit).sum::<u8>(), mul(x, y));
        }
    }
}
