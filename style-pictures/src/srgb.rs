//! The profile of sRGB.

/// Fixed point with 16 fractional bits.
fn fixed(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| ((v * 65536.0).round() as i32).to_be_bytes()).collect()
}

/// The profile that results are tagged with, the same bytes each time: version 4, by ICC.1:2010. Does not use moxcms,
/// which writes a white point that the header may not have, and tags at invalid offsets.
pub(crate) fn profile() -> Vec<u8> {
    const D50: [f64; 3] = [0.964_202_88, 1.0, 0.824_905_4];
    let typed = |kind: &[u8; 4], data: &[u8]| [&kind[..], &[0; 4], data].concat();
    let text = |text: &str| {
        let words: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let head = [1, 12, u32::from_be_bytes(*b"enUS"), words.len() as u32, 28].map(u32::to_be_bytes).concat();
        typed(b"mluc", &[head, words].concat())
    };
    let colour = |xyz: [i32; 3]| typed(b"XYZ ", &xyz.map(i32::to_be_bytes).concat());
    // A power function above a linear segment: 2.4, its offset and factors, and the end of the segment.
    let function = fixed(&[2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.040_45]);
    let curve = typed(b"para", &[&[0, 3, 0, 0], &function[..]].concat());
    // By Bradford's method, from the sRGB white point.
    let adapted =
        fixed(&[1.047_882, 0.022_919, -0.050_201, 0.029_587, 0.990_479, -0.017_059, -0.009_232, 0.015_076, 0.751_678]);
    // The three sum to the white point.
    let tags: [(&[u8; 4], Vec<u8>); 10] = [
        (b"desc", text("sRGB")),
        (b"cprt", text("No copyright, use freely")),
        (b"wtpt", typed(b"XYZ ", &fixed(&D50))),
        (b"chad", typed(b"sf32", &adapted)),
        (b"rXYZ", colour([0x6fa0, 0x38f5, 0x0390])),
        (b"gXYZ", colour([0x6297, 0xb787, 0x18da])),
        (b"bXYZ", colour([0x249f, 0x0f84, 0xb6c3])),
        (b"rTRC", curve.clone()),
        (b"gTRC", curve.clone()),
        (b"bTRC", curve),
    ];
    let start = 128 + 4 + 12 * tags.len();
    let (mut table, mut data) = ((tags.len() as u32).to_be_bytes().to_vec(), vec![]);
    let mut before: Option<(usize, &[u8])> = None;
    for (name, tag) in &tags {
        // The curves are identical and stored once; tags are word-aligned.
        let at = match before {
            Some((at, last)) if last == tag => at,
            _ => {
                let at = start + data.len();
                data.extend_from_slice(tag);
                data.resize(data.len().next_multiple_of(4), 0);
                at
            }
        };
        before = Some((at, tag));
        table.extend([&name[..], &(at as u32).to_be_bytes(), &(tag.len() as u32).to_be_bytes()].concat());
    }
    let size = ((start + data.len()) as u32).to_be_bytes();
    let mut header = [&size[..], &[0; 4], &[4, 0x30, 0, 0], b"mntrRGB XYZ "].concat();
    header.extend([2015u16, 8, 26, 0, 0, 0].map(u16::to_be_bytes).concat());
    header.extend(b"acsp");
    // From 40: platform, flags, maker, model, attributes and a perceptual intent, all unspecified.
    header.resize(68, 0);
    header.extend(fixed(&D50));
    header.resize(128, 0);
    [header, table, data].concat()
}
