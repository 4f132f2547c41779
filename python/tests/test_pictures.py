import io
import warnings

import numpy as np
import pytest
from PIL import Image

import style_transfer
from style_transfer import InputError, Style


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and (a == b).all()


def test_an_array_gives_an_array(paint, photo):
    painted = paint(photo)
    assert painted.dtype == np.uint8 and painted.shape == (32, 48, 3)
    assert not same(painted, photo)


def test_the_layout_in_memory_does_not_matter(paint, photo):
    wide = np.zeros((64, 96, 3), np.uint8)
    wide[::2, ::2] = photo
    assert same(paint(wide[::2, ::2]), paint(photo))
    assert same(paint(np.asfortranarray(photo)), paint(photo))
    photo.flags.writeable = False
    assert same(paint(photo), paint(photo.copy()))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_from_0_to_1(paint, photo, dtype):
    painted = paint((photo / 255).astype(dtype)).astype(int)
    assert np.abs(painted - paint(photo)).mean() < 2


def test_sixteen_bits(paint, photo):
    assert np.abs(paint(photo.astype(np.uint16) * 257).astype(int) - paint(photo)).mean() < 1


def test_grey_becomes_three_channels(paint, photo):
    grey = photo[..., 0]
    painted = paint(grey)
    assert painted.shape == (32, 48, 3)
    assert same(painted, paint(grey[..., np.newaxis]))
    assert same(painted, paint(np.repeat(grey[..., np.newaxis], 3, -1)))


def test_a_fourth_channel_is_opacity_and_kept(paint, photo):
    alpha = np.full((32, 48, 1), 255, np.uint8)
    opaque = paint(np.concatenate([photo, alpha], -1))
    assert opaque.shape == (32, 48, 4) and (opaque[..., 3] == 255).all()
    assert same(opaque[..., :3], paint(photo))
    alpha[:, :24] = 0
    half = np.concatenate([photo, alpha], -1)
    assert same(paint(half)[..., 3], alpha[..., 0])
    assert same(paint(half / 255)[..., 3], alpha[..., 0])


def test_a_pillow_image_gives_a_pillow_image(paint, photo):
    painted = paint(Image.fromarray(photo))
    assert isinstance(painted, Image.Image) and painted.mode == "RGB" and painted.size == (48, 32)
    assert same(np.asarray(painted), paint(photo))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "YCbCr", "RGBX"])
def test_modes_without_transparency(paint, photo, mode):
    assert paint(Image.fromarray(photo).convert(mode)).mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_modes_with_transparency(paint, photo, mode):
    image = Image.fromarray(photo).convert(mode)
    image.putalpha(Image.fromarray(np.where(np.arange(48) < 20, 0, 255).astype(np.uint8)[np.newaxis].repeat(32, 0)))
    painted = paint(image)
    assert painted.mode == "RGBA" and painted.getpixel((0, 0))[3] == 0 and painted.getpixel((47, 0))[3] == 255


def test_modes_without_a_scale_are_refused(paint, photo):
    for mode in ["I", "F"]:
        with pytest.raises(TypeError, match="mode"):
            paint(Image.fromarray(photo).convert("L").convert(mode))


def test_whatever_numpy_takes(paint, photo):
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return photo

    class Interface:
        __array_interface__ = photo.__array_interface__

    assert same(paint(Tensor()), paint(photo))
    assert same(paint(Interface()), paint(photo))


def test_paths_and_bytes(paint, photo, tmp_path):
    file = tmp_path / "photo.png"
    Image.fromarray(photo).save(file)
    painted = paint(photo)
    assert same(paint(file), painted)
    assert same(paint(str(file)), painted)
    assert same(paint(file.read_bytes()), painted)
    assert same(paint(photo, str(file)), paint(photo, photo))


def test_files_are_upright_and_resized(photo, tmp_path):
    file = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(photo).save(file, exif=exif)
    assert same(style_transfer.load(file), np.ascontiguousarray(np.rot90(photo, -1)))
    assert style_transfer.load(file, size=24).shape == (24, 16, 3)


def test_what_a_file_does_not_keep_is_a_warning(photo, tmp_path):
    file = tmp_path / "two.png"
    Image.fromarray(photo).save(file, save_all=True, append_images=[Image.fromarray(photo[::-1])])
    with pytest.warns(UserWarning, match="two.png"):
        style_transfer.load(file)


def test_save_and_load(paint, photo, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in [photo, Image.fromarray(photo), photo / 255, np.dstack([photo, photo[..., 0]])]:
            for name in ["a.png", "a.webp", "a.tif"]:
                style_transfer.save(tmp_path / name, given)
                loaded = style_transfer.load(tmp_path / name)
                assert (loaded[..., :3] == photo).all() or loaded.shape[-1] == 4
        style_transfer.save(str(tmp_path / "a.jpg"), photo)
    assert Image.open(tmp_path / "a.jpg").size == (48, 32)


def test_to_pil(photo):
    assert same(np.asarray(style_transfer.to_pil(photo)), photo)
    buffer = io.BytesIO()
    style_transfer.to_pil(photo / 255).save(buffer, "PNG")
    assert same(np.asarray(style_transfer.to_pil(buffer.getvalue())), photo)


def test_sizes(paint, photo):
    assert paint(photo, size=None).shape == (32, 48, 3)
    assert paint(photo, size=24).shape == (16, 24, 3)
    assert paint(photo, size=(20, 30)).shape == (30, 20, 3)
    assert paint(photo, size=np.int64(24)).shape == (16, 24, 3)
    assert paint(photo, seamless=True, size=40, style_size=32).shape == (32, 48, 3)


def test_a_texture_and_a_reconstruction(paint, photo, painting):
    assert paint(None, painting, size=(40, 24)).shape == (24, 40, 3)
    assert paint(None, painting, size=32).shape == (32, 32, 3)
    assert paint(photo, None).shape == (32, 48, 3)


def test_styles_masks_and_regions(paint, photo, painting, tmp_path):
    left = np.zeros((32, 48), bool)
    left[:, :24] = True
    file = tmp_path / "left.png"
    Image.fromarray(left).save(file)
    masked = [paint(photo, Style(painting, mask=mask)) for mask in (left, left * 1.0, left * np.uint8(255), file)]
    assert all(same(masked[0], other) for other in masked[1:])
    assert same(masked[0], paint(photo, Style(painting, mask=Image.fromarray(left))))
    assert not same(masked[0], paint(photo))
    assert not same(paint(photo, Style(painting, region=left)), paint(photo))
    assert not same(paint(photo, Style(painting, scale=0.6)), paint(photo))
    blended = paint(photo, [painting, Style(photo, share=3)])
    assert not same(blended, paint(photo, [painting, photo]))
    assert not same(paint(photo, content_mask=left, style_strength=0.01), paint(photo, style_strength=0.01))


def test_the_start_and_the_colours(paint, photo, painting):
    starts = ["content", "noise", "style", painting]
    painted = [paint(photo, init=start, iterations=1) for start in starts]
    assert len({p.tobytes() for p in painted}) == 4
    for colours in ["luminance", "cholesky", "pca", "symmetric"]:
        assert not same(paint(photo, colours=colours), paint(photo))
    kept = Image.fromarray(paint(photo, colours="luminance")).convert("YCbCr")
    difference = np.asarray(kept).astype(int) - np.asarray(Image.fromarray(photo).convert("YCbCr"))
    assert np.abs(difference[..., 1:]).mean() < 12


@pytest.mark.parametrize(
    "shape, hint",
    [((3, 32, 48), "transpose"), ((1, 32, 48, 3), r"array\[0\]"), ((32, 48, 2), "wanted"), ((32,), "wanted")],
)
def test_other_shapes_are_refused(paint, shape, hint):
    with pytest.raises(InputError, match=hint) as refused:
        paint(np.zeros(shape, np.uint8))
    assert refused.value.kind == "shape" and isinstance(refused.value, ValueError)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3), (0, 0)])
def test_empty_pictures_are_refused(paint, shape):
    for dtype in [np.uint8, np.float32]:
        with pytest.raises(InputError):
            paint(np.zeros(shape, dtype))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, bool, complex, "datetime64[s]"])
def test_other_types_are_refused(paint, dtype):
    with pytest.raises(TypeError):
        paint(np.zeros((32, 48, 3), dtype))


@pytest.mark.parametrize("given", [3, 2.5, object(), {}, [["a"]]])
def test_what_is_no_picture_is_refused(paint, photo, given):
    with pytest.raises(TypeError, match="a path, the bytes of a file, an array or a Pillow image is wanted"):
        paint(given)
    with pytest.raises((TypeError, InputError)):
        paint(photo, given)


def test_floats_of_another_scale_are_refused(paint, photo):
    with pytest.raises(InputError, match="divide by 255"):
        paint(photo.astype(np.float32))
    with pytest.raises(InputError, match="from 0"):
        paint(photo / 255 * 4 - 2)
    for bad in [np.nan, np.inf]:
        values = photo / 255
        values[0, 0, 0] = bad
        with pytest.raises(InputError, match="finite") as refused:
            paint(values)
        assert refused.value.kind == "non-finite value"


def test_bad_masks_are_refused(paint, photo, painting):
    for bad in [np.zeros((4, 4)), np.ones((4, 4, 3)), np.full((4, 4), 9.0), np.ones((0, 4))]:
        with pytest.raises(InputError):
            paint(photo, Style(painting, mask=bad))
