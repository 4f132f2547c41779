import math
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import style_transfer
from style_transfer import Losses, Network, Progress, Session


def test_it_iterates_over_its_progress(session):
    painted = session()
    assert painted.progress is None and painted.iteration == 0 and painted.iterations == 6 and painted.size == (48, 32)
    all_progress = list(painted)
    assert [p.iteration for p in all_progress] == [1, 2, 3, 4, 5, 6]
    first, last = all_progress[0], all_progress[-1]
    assert isinstance(first, Progress) and isinstance(first.losses, Losses)
    assert last == painted.progress and (last.width, last.height) == (48, 32) and last.scale == 0 and last.scales == 1
    assert last.accepted_losses.total < first.losses.total
    assert [term.name for term in last.losses.terms] == ["content", "style", "tv"]
    weighted = sum(term.weight * term.loss for term in last.losses.terms)
    assert math.isclose(weighted, last.losses.total, rel_tol=1e-9)
    style = last.losses.term("style")
    assert list(style.layers) == ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
    assert last.losses.style == style.loss and last.losses.content > 0 and last.losses.loss("other") == 0
    assert painted.is_finished and list(painted) == []


def test_the_same_bits(session, photo, painting):
    one = session(network=Network(threads=1)).run()
    two = session(network=Network(device="cpu", threads=2)).run()
    assert (one == two).all()
    assert (one == style_transfer.stylize(photo, painting, size=48, iterations=6)).all()
    assert not (one == session(seed=1).run()).all()


def test_bf16_where_the_processor_has_it(session):
    try:
        network = Network(precision="bf16", threads=1)
    except style_transfer.DeviceError as error:
        return pytest.skip(str(error))
    assert "bf16" in network.device
    difference = np.abs(session(network=network).run().astype(int) - session().run().astype(int))
    assert 0 < difference.mean() < 8


def test_a_loop_that_was_left_goes_on(session):
    painted = session()
    for progress in painted:
        if progress.iteration == 2:
            break
    so_far = painted.image()
    assert not painted.is_finished
    for progress in painted:
        pass
    assert progress.iteration == 6
    whole = session().run()
    assert (painted.image() == whole).all() and not (so_far == whole).all()


def test_a_callback(session, photo, painting):
    seen = []
    painted = style_transfer.stylize(
        photo, painting, size=48, iterations=6, callback=lambda p: seen.append(p.iteration) or p.iteration == 2
    )
    assert seen == [1, 2]
    early = session()
    next(early), next(early)
    assert (painted == early.image()).all()

    def fail(progress):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        session().run(fail)


def test_the_image_of_a_coarse_scale_has_the_size_of_the_result(session):
    painted = session(scales=[(32, 2)])
    first = next(painted)
    assert (first.width, first.scales) == (32, 2)
    assert painted.image().shape == (32, 48, 3)
    assert [p.scale for p in painted] == [0] + 6 * [1]


def test_floats(session):
    painted = session()
    next(painted)
    values = painted.array()
    assert values.dtype == np.float32 and values.shape == (32, 48, 3) and 0 <= values.min() and values.max() <= 1
    assert (np.round(values * 255).astype(np.uint8) == painted.image()).all()


def test_a_checkpoint(session):
    whole = session().run()
    painted = session()
    next(painted), next(painted)
    kept = painted.checkpoint()
    resumed = session(resume=kept)
    assert resumed.iteration == 2 and (resumed.run() == whole).all()
    light = painted.checkpoint(light=True)
    assert len(light) < len(kept) and session(resume=light).run().shape == whole.shape
    with pytest.raises(style_transfer.InputError) as refused:
        session(resume=kept, seed=5)
    assert refused.value.kind == "checkpoint" and "seed" in str(refused.value)


def test_the_style_weight_changes(session):
    painted = session()
    next(painted)
    painted.set_style_weight(5)
    assert next(painted).losses.term("style").weight == 5 and painted.settings["style_weight"] == 5
    with pytest.raises(style_transfer.InputError):
        painted.set_style_weight(-1)


def test_the_settings_are_plain_and_can_be_given_again(session):
    for options in [{}, {"preset": "gatys"}, {"pooling": "max", "optimizer": "adam"}]:
        painted = session(**options)
        settings = painted.settings
        again = session(settings=settings, iterations=None)
        assert again.settings == settings
        assert (again.run() == painted.run()).all()


def test_other_threads_run_during_an_iteration(photo, painting):
    painted = Session(photo, painting, size=192, iterations=3)
    counted = [0]
    end = threading.Event()

    def count():
        while not end.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    next(painted)
    during = counted[0] - before
    end.set()
    thread.join()
    assert during > 100


def test_another_thread_paints_and_is_cancelled(photo, painting):
    painted = Session(photo, painting, size=48, iterations=100_000, optimizer="adam", scales=[])
    thread = threading.Thread(target=painted.run)
    thread.start()
    while painted.iteration < 3:
        assert painted.image().shape == (32, 48, 3)  # while it paints
    painted.cancel()
    thread.join(20)
    assert not thread.is_alive() and 3 <= painted.iteration < 100_000 and not painted.is_finished
    assert next(painted).iteration == painted.iteration  # it can go on


def test_many_threads_paint_on_one_network(session):
    whole = session().run()
    results = []
    threads = [threading.Thread(target=lambda: results.append(session().run())) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(results) == 4 and all((result == whole).all() for result in results)


def child(code, *args):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


PAIR = """
import signal
import numpy as np
import style_transfer
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
photo, painting = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_ends_the_loop_and_keeps_the_picture():
    process = child(
        PAIR
        + """
session = style_transfer.Session(photo, painting, size=64, iterations=1_000_000, optimizer="adam")
try:
    for progress in session:
        print(progress.iteration, flush=True)
except KeyboardInterrupt:
    before = session.image()
    iteration = session.iteration
    assert next(session).iteration == iteration + 1
    print("kept", before.shape, flush=True)
"""
    )
    assert process.stdout.readline().strip() == "1"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == "kept (64, 64, 3)"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("size", [64, 1024])  # within an iteration, and within the features of the pictures
def test_an_interrupt_ends_the_one_call(size):
    process = child(
        PAIR
        + f"""
network = style_transfer.Network()
print("painting", flush=True)
try:
    style_transfer.stylize(photo, painting, size={size}, scales=[], iterations=1_000_000, optimizer="adam", network=network)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    )
    assert process.stdout.readline().strip() == "painting"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and out.strip() == "interrupted", err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_paints():
    process = child(
        PAIR
        + """
import os
paint = lambda: style_transfer.stylize(photo, painting, size=64, iterations=2)
painted = paint()
child = os.fork()
if child == 0:
    os._exit(0 if (paint() == painted).all() else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    out, err = process.communicate(timeout=60)
    assert out.strip() == "0", err
