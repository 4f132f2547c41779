"""Writes events.bin with TensorBoard's own classes; src/tensorboard/proto.rs compares our writer with it.

Requires tensorboard 2.21.0.
"""

import os
import sys

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR, HistogramProto, Summary, SummaryMetadata
from tensorboard.summary.writer.record_writer import RecordWriter

Value = Summary.Value


def described(text):
    plugin = SummaryMetadata.PluginData(plugin_name="scalars")
    return SummaryMetadata(plugin_data=plugin, summary_description=text, data_class=DATA_CLASS_SCALAR)


values = [
    Value(tag="loss/total", simple_value=1234.5, metadata=described("what is minimised")),
    Value(tag="loss/tv", simple_value=0.0),
    Value(tag="descent/\u00e9", simple_value=float("inf")),
    Value(
        tag="image",
        image=Summary.Image(height=300, width=2, colorspace=3, encoded_image_string=b"\x89PNG\x00\xff"),
    ),
    Value(
        tag="pixels/red",
        histo=HistogramProto(
            min=-1.5,
            max=300.25,
            num=7,
            sum=512.5,
            sum_squares=98765,
            bucket_limit=[0, 4, sys.float_info.max],
            bucket=[1, 0, 6],
        ),
    ),
]
events = [
    Event(wall_time=1_700_000_000.25, file_version="brain.Event:2"),
    Event(wall_time=1_700_000_001.5, step=1_000_000, summary=Summary(value=values)),
]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "events.bin"), "wb") as f:
    writer = RecordWriter(f)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
