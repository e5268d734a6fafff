"""Where a recording stands: counting, with a clock of our own."""

from viewer.sources.playhead import Reel


def beats(reel: Reel, times: list[float]) -> list[int]:
    """Where it stands after each of these times."""
    stands = []
    for now in times:
        reel.beat(now)
        stands.append(reel.at)
    return stands


def test_a_reel_moves_once_a_beat_and_stops_at_the_end() -> None:
    reel = Reel(4)
    reel.speed = 10.0
    reel.play(True, 0.0)
    assert beats(reel, [0.05, 0.11, 0.15, 0.21]) == [0, 1, 1, 2]
    assert reel.playing
    assert beats(reel, [0.31, 0.41, 0.51]) == [3, 3, 3]
    assert not reel.playing


def test_it_says_how_long_to_wait() -> None:
    reel = Reel(4)
    reel.speed = 10.0
    assert reel.beat(0.0) == (0, None)
    reel.play(True, 0.0)
    moved, wait = reel.beat(0.04)
    assert moved == 0
    assert wait is not None
    assert abs(wait - 0.06) < 1e-9


def test_played_on_from_the_end_it_begins_again() -> None:
    reel = Reel(3)
    reel.seek(2)
    reel.play(True, 0.0)
    assert reel.at == 0


def test_looping_goes_round_both_ways() -> None:
    reel = Reel(5)
    reel.loop = True
    reel.advance(-1)
    assert reel.at == 4
    reel.advance(3)
    assert reel.at == 2
    reel.play(True, 0.0)
    assert beats(reel, [0.0] * 4) == [3, 4, 0, 1]
    assert reel.playing


def test_without_loop_it_stays_within_its_frames() -> None:
    reel = Reel(5)
    reel.advance(-3)
    assert reel.at == 0
    reel.advance(99)
    assert reel.at == 4
    reel.seek(77)
    assert reel.at == 4
    reel.seek(-2)
    assert reel.at == 3


def test_a_stride_shows_every_nth_frame() -> None:
    reel = Reel(10)
    reel.stride = 4
    reel.play(True, 0.0)
    assert beats(reel, [0.0] * 3) == [4, 8, 9]
    assert not reel.playing


def test_missed_beats_are_left_out_and_counted_but_not_a_whole_pause() -> None:
    reel = Reel(1000)
    reel.speed = 100.0
    reel.play(True, 0.0)
    assert beats(reel, [0.01, 0.065]) == [1, 6]
    assert reel.skipped == 4
    assert beats(reel, [60.0]) == [6 + 26]
    assert beats(reel, [60.005]) == [6 + 26]


def test_following_stays_at_the_newest_until_something_else_is_wanted() -> None:
    reel = Reel(3)
    reel.follow(True)
    assert reel.at == 2
    reel.grow(8)
    assert reel.at == 7
    reel.advance(-1)
    reel.grow(9)
    assert (reel.at, reel.newest) == (6, False)


def test_an_empty_reel_stands_at_nothing_and_plays_nothing() -> None:
    reel = Reel(0)
    reel.loop = True
    reel.play(True, 0.0)
    assert reel.beat(0.0) == (0, None)
    reel.advance(5)
    reel.seek(-1)
    assert (reel.at, reel.playing) == (0, False)
