"""Spectrograms and PNG: what is drawn is what was recorded."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from asdcore.drawing.spectrograms import COLOURS, HEIGHT, LOWEST, WIDTH, png, spectrogram

RATE = 16000


def tone(hertz, seconds=2.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


def pixels(content):
    """Read back a PNG of 4 bits a pixel, as ISO/IEC 15948 says."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(content):
        (length,), kind = struct.unpack(">I", content[at : at + 4]), content[at + 4 : at + 8]
        body = content[at + 8 : at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    both = np.stack([rows[:, 1:] >> 4, rows[:, 1:] & 15], axis=-1).reshape(height, -1)
    return both[:, :width], chunks[b"PLTE"]


@pytest.mark.parametrize("hertz", [200, 1000, 5000])
def test_a_tone_is_brightest_where_its_frequency_is(hertz):
    levels = spectrogram(tone(hertz), RATE)
    assert levels.shape == (HEIGHT, WIDTH)
    edges = np.geomspace(LOWEST, RATE / 2, HEIGHT + 1)
    brightest = int(levels.mean(axis=1).argmax())
    assert edges[max(0, brightest - 1)] <= hertz <= edges[min(HEIGHT, brightest + 2)]


def test_time_runs_from_left_to_right():
    sound = np.concatenate([0.001 * tone(1000, 1.0), tone(1000, 1.0)])
    levels = spectrogram(sound, RATE).max(axis=0)
    assert levels[: WIDTH // 2 - 4].max() + 40 < levels[WIDTH // 2 + 4 :].min()


def test_a_clip_shorter_than_a_window_has_a_picture():
    assert np.isfinite(spectrogram(tone(1000, 0.01), RATE)).all()


def test_a_picture_shows_low_to_high_as_dark_to_light_with_high_frequencies_on_top():
    levels = np.array([[0.0, 10.0, 20.0], [30.0, 30.0, -99.0]])
    shown, palette = pixels(png(levels, 0.0, 30.0))
    assert shown.tolist() == [[15, 15, 0], [0, 5, 10]]
    assert palette.hex() == "".join(COLOURS).replace("#", "")


def test_colours_get_lighter_throughout():
    light = [np.dot([0.2126, 0.7152, 0.0722], list(bytes.fromhex(one[1:]))) for one in COLOURS]
    assert (np.diff(light) > 0).all()
