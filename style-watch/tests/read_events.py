"""Compares TensorBoard's reading of a folder with the expected contents from tests/tensorboard.rs.

    read_events.py FOLDER EXPECTED WIDTH HEIGHT
"""

import collections
import io
import sys

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as Migrated
from tensorboard.context import RequestContext
from tensorboard.data.server_ingester import NoDataServerError, SubprocessServerDataIngester, get_server_binary
from tensorboard.util.grpc_util import ChannelCredsType

folder, expected, width, height = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
scalars, images, histograms = collections.defaultdict(list), {}, {}
with open(expected) as f:
    for line in f:
        kind, *rest = line.split()
        if kind == "scalar":
            tag, step, value = rest
            with np.errstate(over="ignore"):
                scalars[tag].append((int(step), np.float32(float(value))))
        elif kind == "image":
            images[int(rest[0])] = np.frombuffer(bytes.fromhex(rest[1]), np.uint8).reshape(height, width, 3)
        else:
            histograms[int(rest[0])] = np.array(rest[1:], np.float32).reshape(3, height * width)
assert len(scalars) == 10 and len(scalars["loss/total"]) == 40
assert sorted(images) == sorted(histograms) == [7, 14, 21, 28, 35, 40]

everything = {kind: 0 for kind in ("scalars", "images", "histograms", "tensors", "compressedHistograms")}
events = EventAccumulator(folder, size_guidance=everything).Reload()
tags = events.Tags()
assert sorted(tags["scalars"]) == sorted(scalars), tags
assert tags["images"] == ["image"], tags
assert sorted(tags["histograms"]) == ["pixels/blue", "pixels/green", "pixels/red"], tags

for tag, wanted in scalars.items():
    read = [(e.step, np.float32(e.value)) for e in events.Scalars(tag)]
    assert [s for s, _ in read] == [s for s, _ in wanted], f"{tag}: other steps"
    bits = [[v.tobytes() if v == v else "NaN" for _, v in values] for values in (read, wanted)]
    assert bits[0] == bits[1], f"{tag}: expected {wanted}, found {read}"
assert np.isnan(events.Scalars("loss/total")[0].value) and np.isinf(events.Scalars("loss/content")[0].value)
times = [e.wall_time for e in events.Scalars("loss/total")]
assert times == sorted(times) and times[-1] - times[0] < 600 and times[0] > 1.7e9, times

assert [e.step for e in events.Images("image")] == sorted(images)
for e in events.Images("image"):
    assert (e.width, e.height) == (width, height)
    picture = Image.open(io.BytesIO(e.encoded_image_string))
    assert picture.size == (width, height) and picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture), images[e.step]), f"image {e.step}"

edges = np.array([-np.inf, *range(0, 257, 4), np.inf])
buckets = {}
for channel, tag in enumerate(["pixels/red", "pixels/green", "pixels/blue"]):
    assert [e.step for e in events.Histograms(tag)] == sorted(histograms)
    for e in events.Histograms(tag):
        values, h = histograms[e.step][channel].astype(np.float64), e.histogram_value
        assert h.num == width * height == sum(h.bucket), f"{tag} {e.step}"
        assert (h.min, h.max) == (values.min(), values.max())
        assert np.allclose([h.sum, h.sum_squares], [values.sum(), (values**2).sum()], rtol=1e-12)
        counts = np.histogram(values, edges)[0]
        first, last = np.flatnonzero(counts)[[0, -1]]
        assert np.array_equal(h.bucket, counts[first : last + 1]), f"{tag} {e.step}: {h.bucket}"
        inner = edges[first + 1 : last + 1]
        wanted = [[h.min, *inner], [*inner, h.max], counts[first : last + 1]]
        buckets[tag, e.step] = np.transpose(wanted)

# The data for the web page: old values converted to the new plugins' format, by the Python loader and by the fast one.
migrated = Migrated(folder, size_guidance={"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}).Reload()
for tag, plugin in [*((tag, "scalars") for tag in scalars), ("image", "images"), ("pixels/red", "histograms")]:
    metadata = migrated.SummaryMetadata(tag)
    assert metadata.plugin_data.plugin_name == plugin, metadata
    assert (plugin == "scalars") == bool(metadata.summary_description), metadata


def check_fast_loader(binary):
    fast = SubprocessServerDataIngester(
        binary,
        folder,
        reload_interval=0,
        channel_creds_type=ChannelCredsType.LOCAL,
        samples_per_plugin={"scalars": 0, "images": 0, "histograms": 0},
    )
    fast.start()
    asked = dict(ctx=RequestContext(), experiment_id="")
    listed = fast.data_provider.list_scalars(**asked, plugin_name="scalars")["."]
    assert sorted(listed) == sorted(scalars) and all(series.description for series in listed.values()), listed
    read = fast.data_provider.read_scalars(**asked, plugin_name="scalars", downsample=10**6)["."]
    for tag, wanted in scalars.items():
        assert np.array_equal([d.step for d in read[tag]], [s for s, _ in wanted]), tag
        assert np.array_equal(np.float32([d.value for d in read[tag]]), [v for _, v in wanted], equal_nan=True), tag
    read = fast.data_provider.read_tensors(**asked, plugin_name="histograms", downsample=10**6)["."]
    assert len(buckets) == sum(map(len, read.values()))
    for tag, series in read.items():
        for d in series:
            assert np.allclose(d.numpy, buckets[tag, d.step], rtol=1e-6), f"{tag} {d.step}: {d.numpy}"


try:
    check_fast_loader(get_server_binary())
except NoDataServerError as e:
    print(f"TensorBoard has no fast loader for this platform, so that part was NOT checked: {e}")
print(f"{len(scalars)} scalars at {len(times)} steps, {len(images)} images, {3 * len(histograms)} histograms")
