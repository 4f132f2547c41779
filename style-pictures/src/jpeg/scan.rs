//! Entropy-coded data: bits, Huffman codes, and blocks of coefficients. Nothing is invented: data that ends before its
//! blocks do is an error.

use style_core::{Error, Result};

use crate::limits::{bad, cut};

pub(super) fn cut_short() -> Error {
    cut("JPEG")
}

pub(super) fn damaged() -> Error {
    bad("the JPEG file is damaged")
}

/// Coefficient positions, in coding order.
#[rustfmt::skip]
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Bits per table lookup.
const LOOKED_UP: u32 = 9;

/// Codes of up to 16 bits, and their symbols.
#[derive(Clone)]
pub(super) struct Huffman {
    /// A length and a symbol for each prefix; length 0 if the code is longer.
    short: Vec<(u8, u8)>,
    /// For each length, the upper limit of its codes in 16 bits, and the offset from a code to its symbol's index.
    ends: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// Builds the table from the number of codes of each length.
    pub(super) fn new(counts: &[u8], symbols: &[u8]) -> Result<Self> {
        let mut table = Self { short: vec![(0, 0); 1 << LOOKED_UP], ends: [(0, 0); 17], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0u32, 0);
        for (length, count) in (1u32..).zip(counts) {
            let first = (code, place);
            for _ in 0..*count {
                if length <= LOOKED_UP {
                    let free = LOOKED_UP - length;
                    let beginnings = table.short.get_mut((code << free) as usize..((code + 1) << free) as usize);
                    let symbol = *symbols.get(place).ok_or_else(damaged)?;
                    beginnings.ok_or_else(damaged)?.fill((length as u8, symbol));
                }
                code += 1;
                place += 1;
            }
            if code > 1 << length {
                return Err(damaged());
            }
            table.ends[length as usize] = (code << (16 - length), first.1 as i32 - first.0 as i32);
            code <<= 1;
        }
        Ok(table)
    }
}

/// The bits of entropy-coded data, up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, left-aligned.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, held: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            if byte == 0xff {
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn take(&mut self, n: u32) -> Result<()> {
        if n > self.count {
            return Err(cut_short());
        }
        self.held <<= n;
        self.count -= n;
        Ok(())
    }

    /// This many bits, at most 16.
    fn get(&mut self, n: u32) -> Result<i32> {
        if n == 0 {
            return Ok(0);
        }
        if self.count < n {
            self.fill();
        }
        let value = self.held >> (64 - n);
        self.take(n)?;
        Ok(value as i32)
    }

    fn symbol(&mut self, table: &Huffman) -> Result<u8> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.short[(self.held >> (64 - LOOKED_UP)) as usize];
        if length > 0 {
            self.take(u32::from(length))?;
            return Ok(symbol);
        }
        let next = (self.held >> 48) as u32;
        let length = (1..17).find(|n| next < table.ends[*n].0);
        // If bits are missing, report that instead.
        let length = length.ok_or_else(|| if self.count < 16 { cut_short() } else { damaged() })?;
        let place = (next >> (16 - length)) as i32 + table.ends[length].1;
        self.take(length as u32)?;
        usize::try_from(place).ok().and_then(|place| table.symbols.get(place)).copied().ok_or_else(damaged)
    }

    /// A number of this many bits, half of whose values are negative.
    fn number(&mut self, size: u32) -> Result<i32> {
        let value = self.get(size)?;
        Ok(if size > 0 && value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
    }

    /// Skips the marker between two restart intervals.
    pub(super) fn restart(&mut self, n: usize) -> Result<()> {
        self.skip_rest();
        match self.bytes.get(self.at..self.at + 2) {
            Some(marker) if *marker == [0xff, 0xd0 + (n % 8) as u8] => self.at += 2,
            None => return Err(cut_short()),
            Some(_) => return Err(damaged()),
        }
        Ok(())
    }

    /// The position of the next marker or, if there is none, the end.
    fn skip_rest(&mut self) {
        // The buffered bits contain no marker.
        (self.held, self.count) = (0, 0);
        while let Some(pair) = self.bytes.get(self.at..self.at + 2) {
            match pair {
                // Fill bytes, and an escaped byte.
                [0xff, 0xff] => self.at += 1,
                [0xff, 0] => self.at += 2,
                [0xff, _] => return,
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
    }

    /// The same at the end of a scan.
    pub(super) fn end(mut self) -> usize {
        self.skip_rest();
        self.at
    }
}

/// The part of each block in a scan.
#[derive(Clone, Copy)]
pub(super) struct Band {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether it refines existing bits.
    pub(super) refines: bool,
    /// Bits still missing.
    pub(super) low: u32,
}

/// State carried from one block to the next.
#[derive(Default)]
pub(super) struct State {
    pub(super) dc: [i32; 4],
    /// Remaining blocks without new data.
    pub(super) run: u32,
}

/// A complete block.
pub(super) fn sequential(
    bits: &mut Bits<'_>,
    [dc, ac]: [&Huffman; 2],
    before: &mut i32,
    block: &mut [i16; 64],
) -> Result<()> {
    let size = u32::from(bits.symbol(dc)?);
    if size > 15 {
        return Err(damaged());
    }
    *before = before.wrapping_add(bits.number(size)?);
    block[0] = *before as i16;
    let mut k = 1;
    while k < 64 {
        let symbol = bits.symbol(ac)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if run < 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        let value = bits.number(size)?;
        block[usize::from(*ZIGZAG.get(k).ok_or_else(damaged)?)] = value as i16;
        k += 1;
    }
    Ok(())
}

/// The first coefficient of a block, or one bit of it.
pub(super) fn progressive_dc(
    bits: &mut Bits<'_>,
    dc: Option<&Huffman>,
    band: Band,
    before: &mut i32,
    block: &mut [i16; 64],
) -> Result<()> {
    if band.refines {
        block[0] |= (bits.get(1)? as i16) << band.low;
        return Ok(());
    }
    let size = u32::from(bits.symbol(dc.ok_or_else(damaged)?)?);
    if size > 15 {
        return Err(damaged());
    }
    *before = before.wrapping_add(bits.number(size)?);
    block[0] = before.wrapping_shl(band.low) as i16;
    Ok(())
}

/// The other coefficients, or one bit of each.
pub(super) fn progressive_ac(
    bits: &mut Bits<'_>,
    ac: &Huffman,
    band: Band,
    run: &mut u32,
    block: &mut [i16; 64],
) -> Result<()> {
    let mut k = band.start;
    if *run == 0 {
        while k <= band.end {
            let symbol = bits.symbol(ac)?;
            let (mut zeros, size) = (i32::from(symbol >> 4), u32::from(symbol & 15));
            let mut value = 0;
            if size > 0 {
                value = if band.refines {
                    let sign = if bits.get(1)? == 1 { 1 } else { -1 };
                    if size == 1 { sign } else { return Err(damaged()) }
                } else {
                    bits.number(size)?
                };
            } else if zeros < 15 {
                *run = (1 << zeros) + bits.get(zeros as u32)? as u32;
                break;
            }
            if band.refines {
                // Zeros are counted among the coefficients that were zero before.
                while k <= band.end {
                    let v = &mut block[usize::from(ZIGZAG[k])];
                    if *v != 0 {
                        refine(bits, band.low, v)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    k += 1;
                }
            } else {
                k += zeros as usize;
            }
            if value != 0 {
                if k > band.end {
                    return Err(damaged());
                }
                block[usize::from(ZIGZAG[k])] = (value << band.low) as i16;
            }
            k += 1;
        }
    }
    if *run > 0 {
        if band.refines {
            for k in k..=band.end {
                let v = &mut block[usize::from(ZIGZAG[k])];
                if *v != 0 {
                    refine(bits, band.low, v)?;
                }
            }
        }
        *run -= 1;
    }
    Ok(())
}

/// Refines a value by one bit.
fn refine(bits: &mut Bits<'_>, low: u32, v: &mut i16) -> Result<()> {
    let bit = 1i16 << low;
    if bits.get(1)? == 1 && *v & bit == 0 {
        *v = v.wrapping_add(if *v > 0 { bit } else { -bit });
    }
    Ok(())
}
