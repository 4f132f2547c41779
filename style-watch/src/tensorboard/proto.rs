//! The messages of an event file, in the Protocol Buffers wire format.
//!
//! Field numbers are those of TensorBoard's `compat/proto/event.proto` and `summary.proto`. The writer is hand-written:
//! five messages are written and none is read, which takes less code than declaring them for a protobuf library, and
//! avoids its dependencies.

/// A message's fields, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message(Vec<u8>);

/// Wire types.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// Without it, TensorBoard's fast loader drops a description.
const DATA_CLASS_SCALAR: u64 = 1;

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn unsigned(mut self, field: u64, value: u64) -> Self {
        self.key(field, VARINT);
        self.varint(value);
        self
    }

    fn double(mut self, field: u64, value: f64) -> Self {
        self.key(field, FIXED64);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn float(mut self, field: u64, value: f32) -> Self {
        self.key(field, FIXED32);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.key(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn doubles(self, field: u64, values: &[f64]) -> Self {
        let packed: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.bytes(field, &packed)
    }
}

/// The first event of a file, with its version.
pub(crate) fn version_event(wall_time: f64) -> Vec<u8> {
    Message::default().double(1, wall_time).bytes(3, b"brain.Event:2").0
}

/// An `Event` with a `Summary`. `wall_time` is in seconds since 1970.
pub(crate) fn summary_event(wall_time: f64, step: usize, summary: &Summary) -> Vec<u8> {
    Message::default().double(1, wall_time).unsigned(2, step as u64).bytes(5, &summary.message.0).0
}

/// A `Summary`: tagged values.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    message: Message,
}

impl Summary {
    /// Adds a `simple_value`. The description goes into `metadata`, in which TensorBoard requires the plugin's name;
    /// without metadata, it derives the plugin from the kind of value.
    pub(crate) fn scalar(&mut self, tag: &str, value: f32, description: Option<&str>) {
        let metadata = description.map(|text| {
            let plugin = Message::default().bytes(1, b"scalars");
            Message::default().bytes(1, &plugin.0).bytes(3, text.as_bytes()).unsigned(4, DATA_CLASS_SCALAR)
        });
        self.add(tag, metadata, |m| m.float(2, value));
    }

    /// Adds an `image` with three channels.
    pub(crate) fn image(&mut self, tag: &str, height: usize, width: usize, png: &[u8]) {
        let rgb = 3;
        let image =
            Message::default().unsigned(1, height as u64).unsigned(2, width as u64).unsigned(3, rgb).bytes(4, png);
        self.add(tag, None, |m| m.bytes(4, &image.0));
    }

    /// Adds a `histo`.
    pub(crate) fn histogram(&mut self, tag: &str, h: &Histogram) {
        let numbers = Message::default().double(1, h.min).double(2, h.max).double(3, h.num).double(4, h.sum);
        let histo = numbers.double(5, h.sum_squares).doubles(6, &h.limits).doubles(7, &h.counts);
        self.add(tag, None, |m| m.bytes(5, &histo.0));
    }

    fn add(&mut self, tag: &str, metadata: Option<Message>, put: impl FnOnce(Message) -> Message) {
        let mut value = put(Message::default().bytes(1, tag.as_bytes()));
        if let Some(metadata) = metadata {
            value = value.bytes(9, &metadata.0);
        }
        self.message = std::mem::take(&mut self.message).bytes(1, &value.0);
    }
}

/// `HistogramProto`: bucket `i` counts the values in the half-open interval from `limits[i - 1]` to `limits[i]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) num: f64,
    pub(crate) sum: f64,
    pub(crate) sum_squares: f64,
    pub(crate) limits: Vec<f64>,
    pub(crate) counts: Vec<f64>,
}

impl Histogram {
    /// A histogram of pixels in 8-bit units. The edges are the same for all images, so that they can be compared over
    /// time: 0, 4, 8, ... 256. Empty buckets at both ends are omitted, because TensorBoard takes `min` and `max` as the
    /// outer edges.
    pub(crate) fn of_pixels(pixels: &[f32]) -> Self {
        let mut limits: Vec<f64> = (0..=64).map(|i| 4.0 * f64::from(i)).collect();
        limits.push(f64::MAX);
        let mut counts = vec![0.0; limits.len()];
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut sum, mut sum_squares) = (0.0, 0.0);
        for value in pixels.iter().map(|p| f64::from(*p)) {
            (min, max) = (min.min(value), max.max(value));
            (sum, sum_squares) = (sum + value, sum_squares + value * value);
            counts[limits.partition_point(|&limit| limit <= value).min(65)] += 1.0;
        }
        let first = counts.iter().position(|&c| c > 0.0).unwrap_or(0);
        let end = counts.iter().rposition(|&c| c > 0.0).map_or(first, |last| last + 1);
        let (limits, counts) = (limits[first..end].to_vec(), counts[first..end].to_vec());
        Self { min, max, num: pixels.len() as f64, sum, sum_squares, limits, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::record;
    use super::*;

    /// `tests/golden/make_events.py` writes the same events with TensorBoard's own classes.
    #[test]
    fn the_bytes_are_those_of_tensorboards_writer() {
        let mut summary = Summary::default();
        summary.scalar("loss/total", 1234.5, Some("what is minimised"));
        summary.scalar("loss/tv", 0.0, None);
        summary.scalar("descent/\u{e9}", f32::INFINITY, None);
        summary.image("image", 300, 2, &[0x89, b'P', b'N', b'G', 0, 255]);
        let histogram = Histogram {
            min: -1.5,
            max: 300.25,
            num: 7.0,
            sum: 512.5,
            sum_squares: 98765.0,
            limits: vec![0.0, 4.0, f64::MAX],
            counts: vec![1.0, 0.0, 6.0],
        };
        summary.histogram("pixels/red", &histogram);
        let ours =
            [record(&version_event(1_700_000_000.25)), record(&summary_event(1_700_000_001.5, 1_000_000, &summary))];
        assert_eq!(ours.concat(), include_bytes!("../../tests/golden/events.bin"));
    }

    #[test]
    fn histograms_count_where_they_should() {
        let h = Histogram::of_pixels(&[-0.5, 0.0, 3.999, 4.0, 255.0, 256.0, 1e30, -1e30]);
        let filled = |at: usize| (h.limits[at], h.counts[at]);
        assert_eq!([filled(0), filled(1), filled(2)], [(0.0, 2.0), (4.0, 2.0), (8.0, 1.0)]);
        assert_eq!([filled(64), filled(65)], [(256.0, 1.0), (f64::MAX, 2.0)]);
        assert_eq!((h.counts.iter().sum::<f64>(), h.num), (8.0, 8.0));
        assert_eq!((h.min, h.max), (f64::from(-1e30f32), f64::from(1e30f32)));

        let h = Histogram::of_pixels(&[9.0, 17.0]);
        assert_eq!((h.limits, h.counts), (vec![12.0, 16.0, 20.0], vec![1.0, 0.0, 1.0]));
    }
}
