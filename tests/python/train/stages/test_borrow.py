"""A measured face for voices that nobody filmed: what is read, from whom, and who counts."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import soundfile  # noqa: E402

from diffusiontalker.curves import CURVES, UPPER_FACE, indices  # noqa: E402
from diffusiontalker.train import config  # noqa: E402
from diffusiontalker.train.config import Borrowing, Config, ConfigError, ContextConfig, Speech  # noqa: E402
from diffusiontalker.train.data import streams  # noqa: E402
from diffusiontalker.train.networks.context import Whisper  # noqa: E402
from diffusiontalker.train.networks.model import build  # noqa: E402
from diffusiontalker.train.recipes import run  # noqa: E402
from diffusiontalker.train.stages import borrow  # noqa: E402
from diffusiontalker.train.stages.finish import finish_pooled_mean  # noqa: E402

JAW = CURVES.index("jawOpen")
FACE = "anna"


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    """Random weights hear well enough for a jaw that follows the loudness."""
    torch.manual_seed(0)
    small = Whisper(ContextConfig(layers=2, width=24, heads=3, hidden=48, window=5))
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return small.eval().requires_grad_(False)


def test_sound_is_cut_where_it_is_quiet() -> None:
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal(16000 * 10)).astype(np.float32)
    quiet_at = (3.5, 7.0)
    for at in quiet_at:
        sound[int((at - 0.05) * 16000) : int((at + 0.05) * 16000)] = 0.0
    cut = borrow.pieces(sound, 4.0)
    assert sum(map(len, cut)) == len(sound) // 160 * 160
    ends = np.cumsum([len(piece) for piece in cut]) / 16000
    assert all(len(piece) <= 4.0 * 16000 for piece in cut)
    for at in quiet_at:
        assert np.abs(ends - at).min() <= 0.06
    assert borrow.pieces(sound[:8000], 4.0) == []


def spoken(seconds: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noise in syllables, and their envelope at 60 Hz."""
    beats = rng.random(int(seconds * 4) + 2)
    envelope = np.interp(np.arange(int(seconds * 60)) / 15.0, np.arange(len(beats)), beats)
    loud = np.interp(
        np.arange(int(seconds * 16000)) / 16000, np.arange(len(envelope)) / 60, envelope
    )
    return (0.2 * loud * rng.standard_normal(len(loud))).astype(np.float32), envelope


def test_the_reader_reads_a_jaw_from_sound_that_it_never_heard(whisper: Whisper) -> None:
    rng = np.random.default_rng(1)

    def stream(seconds: float) -> streams.Stream:
        sound, envelope = spoken(seconds, rng)
        curves = np.zeros((len(envelope), 52), np.float16)
        curves[:, JAW] = 0.5 * envelope
        mel = borrow._core.log_mel(sound, True)[0].astype(np.float16)
        voiced = np.ones(len(curves), bool)
        return streams.Stream(FACE, mel, curves, voiced, streams.hear_nothing(sound, mel))

    reader = borrow.fit_reader(whisper, 2, [stream(60.0) for _ in range(3)], Fraction(60))
    fresh = stream(5.0)
    read = reader.read(fresh.mel.astype(np.float32))[:, borrow.MOUTH.index(JAW)]
    wanted = fresh.curves[np.round(np.arange(len(read)) * 1.2).astype(int).clip(0, 299), JAW]
    assert np.corrcoef(read, wanted)[0, 1] > 0.8
    still = reader.read(fresh.mel.astype(np.float32))[:, borrow.MOUTH.index(JAW) + 1]
    assert np.abs(still).max() < 1e-3


@pytest.fixture
def settings(tiny: Config, tmp_path: Path) -> Config:
    """The tiny corpus: `measured` lends its face to `spoken` and to a folder of speech."""
    folder = tmp_path / "speech"
    rng = np.random.default_rng(2)
    for name in ("one", "two"):
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"{name}.wav", spoken(9.0, rng)[0], 16000)
    (folder / "broken.wav").write_text("no sound")
    borrowing = Borrowing(face=FACE, voices=("spoken", "speech"), hours=8 / 3600, layers=2)
    sources = (replace(tiny.sources[0], speaker=FACE), *tiny.sources[1:])
    listening = replace(tiny.listening, speech=(Speech("speech", str(folder)),))
    return replace(tiny, sources=sources, borrowing=borrowing, listening=listening)


@pytest.fixture
def from_random_weights(whisper: Whisper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(borrow, "load_whisper", lambda path: whisper)


@pytest.mark.usefixtures("from_random_weights")
def test_every_voice_gives_its_share_under_the_face_that_it_borrows(
    settings: Config, tmp_path: Path
) -> None:
    data = run.read_data(settings)
    told: list[tuple[int, int]] = []
    takes = borrow.borrowed(settings, data.train, tmp_path, lambda *at: told.append(at))
    assert told[-1][0] == told[-1][1] == len(told)
    assert {take.speaker for take in takes} == {FACE}
    # 4 s of each voice in each of two versions; the last clip of a voice may run over.
    heard_s = sum(take.duration_s for take in takes)
    assert 16.0 <= heard_s <= 16.0 + 2 * borrow.LONGEST_PIECE_S
    known = [take.audio for take in data.train[1]]
    from_speech = [t for t in takes if not any(_within(t.audio, audio) for audio in known)]
    assert 8.0 <= sum(take.duration_s for take in from_speech) <= 8.0 + borrow.LONGEST_PIECE_S
    for take in takes:
        assert take.curves is not None
        assert len(take.curves) == pytest.approx(take.duration_s * 50, abs=2)
        assert take.curves.min() >= 0.0
        assert take.curves.max() <= 1.0
        assert (take.curves[:, indices(UPPER_FACE)] == 0.0).all()  # as the face's own takes have it


def _within(piece: np.ndarray, audio: np.ndarray) -> bool:
    """Whether a piece was cut from this sound (it has been through 16 bits)."""
    return any(
        np.allclose(piece[:1600], audio[at : at + 1600], atol=1e-4)
        for at in range(0, max(1, len(audio) - 1600), 160)
    )


@pytest.mark.usefixtures("from_random_weights")
def test_borrowed_voices_train_the_face_and_not_the_match(settings: Config, tmp_path: Path) -> None:
    data = run.read_data(settings)
    takes = borrow.borrowed(settings, data.train, tmp_path)
    plain = streams.make_version(data.train, settings, 1)
    more = streams.make_version(data.train, settings, 1, borrowed=takes)
    assert len(more) > len(plain)
    for before, after in zip(plain, more, strict=False):
        np.testing.assert_array_equal(before.mel, after.mel)
    for stream in more[len(plain) :]:
        assert stream.speaker == FACE
        assert not stream.voiced.any()
        assert stream.curves[:, JAW].std() > 0.0


@pytest.mark.usefixtures("from_random_weights")
def test_a_second_run_finds_the_same_takes_in_the_cache(
    settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = run.read_data(settings)
    first = borrow.borrowed(settings, data.train, tmp_path)

    def never(*_: object) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as patched:
        patched.setattr(borrow, "fit_reader", never)
        again = borrow.borrowed(settings, data.train, tmp_path)
    assert [take.id for take in first] == [take.id for take in again]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.audio, other.audio)
        np.testing.assert_array_equal(one.curves, other.curves)
    fewer = replace(settings, borrowing=replace(settings.borrowing, hours=4 / 3600))
    assert len(borrow.borrowed(fewer, data.train, tmp_path)) < len(first)


def test_nobody_borrows_unless_asked(tiny: Config, tmp_path: Path) -> None:
    assert borrow.borrowed(tiny, [], tmp_path) == []
    assert "borrowing" not in tiny.describe()


@pytest.mark.usefixtures("from_random_weights")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"face": "nobody"}, "no measured takes of 'nobody'"),
        ({"voices": ("spoken", "nowhere")}, "named 'nowhere'"),
    ],
)
def test_names_that_mean_nothing_are_refused(
    settings: Config, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    wrong = replace(settings, borrowing=replace(settings.borrowing, **change))  # type: ignore[arg-type]
    data = run.read_data(wrong)
    with pytest.raises(ConfigError, match=message):
        borrow.borrowed(wrong, data.train, tmp_path)


def test_a_face_without_voices_is_refused(settings: Config) -> None:
    for change in ({"voices": ()}, {"hours": 0.0}):
        wrong = replace(settings, borrowing=replace(settings.borrowing, **change))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="expected voices and hours above 0"):
            config.check(wrong, "it.toml")


def test_windows_of_nobodys_voice_do_not_move_the_pooled_mean(tiny: Config) -> None:
    data = run.read_data(tiny)
    own = streams.make_version(data.train, tiny, 0)
    nobodys = [replace(stream, voiced=np.zeros_like(stream.voiced)) for stream in own]
    talker = build(tiny, data.speakers)
    finish_pooled_mean(talker, own, data.speakers)
    alone = talker.identity.pooled_mean.clone()
    assert alone.abs().max() > 0.0
    finish_pooled_mean(talker, nobodys, data.speakers)
    torch.testing.assert_close(talker.identity.pooled_mean, alone)


def test_a_take_at_a_strange_speed_keeps_its_face_and_loses_its_voice(tiny: Config) -> None:
    take = run.read_data(tiny).train[1][0]

    def voiced_share(speed: float) -> float:
        draws = [streams.Draw(speed=speed), streams.Draw(speed=1.0)]
        rng = np.random.default_rng(0)
        made = streams.make_stream([take, take], draws, tiny, rng)
        assert made.curves[:, JAW].std() > 0.0
        first = int(60 * take.duration_s / speed)
        assert made.voiced[first + 12 :].mean() > 0.3
        return float(made.voiced[: first - 12].mean())

    assert voiced_share(1.0) > 0.3
    assert voiced_share(streams.OWN_VOICE[1]) > 0.3
    assert voiced_share(1.2) == 0.0
    assert voiced_share(0.8) == 0.0
