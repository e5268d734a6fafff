"""Where a recording stands: counting, with a clock of our own."""

from viewer.sources.playhead import Playhead


def updates(playhead: Playhead, times: list[float]) -> list[int]:
    """Where it stands after each of these times."""
    stands = []
    for now in times:
        playhead.update(now)
        stands.append(playhead.at)
    return stands


def test_a_playhead_moves_once_an_update_and_stops_at_the_end() -> None:
    playhead = Playhead(4)
    playhead.speed = 10.0
    playhead.play(True, 0.0)
    assert updates(playhead, [0.05, 0.11, 0.15, 0.21]) == [0, 1, 1, 2]
    assert playhead.playing
    assert updates(playhead, [0.31, 0.41, 0.51]) == [3, 3, 3]
    assert not playhead.playing


def test_it_says_how_long_to_wait() -> None:
    playhead = Playhead(4)
    playhead.speed = 10.0
    assert playhead.update(0.0) == (0, None)
    playhead.play(True, 0.0)
    moved, wait = playhead.update(0.04)
    assert moved == 0
    assert wait is not None
    assert abs(wait - 0.06) < 1e-9


def test_played_on_from_the_end_it_begins_again() -> None:
    playhead = Playhead(3)
    playhead.seek(2)
    playhead.play(True, 0.0)
    assert playhead.at == 0


def test_looping_goes_round_both_ways() -> None:
    playhead = Playhead(5)
    playhead.loop = True
    playhead.move_by(-1)
    assert playhead.at == 4
    playhead.move_by(3)
    assert playhead.at == 2
    playhead.play(True, 0.0)
    assert updates(playhead, [0.0] * 4) == [3, 4, 0, 1]
    assert playhead.playing


def test_without_loop_it_stays_within_its_frames() -> None:
    playhead = Playhead(5)
    playhead.move_by(-3)
    assert playhead.at == 0
    playhead.move_by(99)
    assert playhead.at == 4
    playhead.seek(77)
    assert playhead.at == 4
    playhead.seek(-2)
    assert playhead.at == 3


def test_a_stride_shows_every_nth_frame() -> None:
    playhead = Playhead(10)
    playhead.stride = 4
    playhead.play(True, 0.0)
    assert updates(playhead, [0.0] * 3) == [4, 8, 9]
    assert not playhead.playing


def test_missed_updates_are_skipped_and_counted_but_not_a_whole_pause() -> None:
    playhead = Playhead(1000)
    playhead.speed = 100.0
    playhead.play(True, 0.0)
    assert updates(playhead, [0.01, 0.065]) == [1, 6]
    assert playhead.skipped == 4
    assert updates(playhead, [60.0]) == [6 + 26]
    assert updates(playhead, [60.005]) == [6 + 26]


def test_following_stays_at_the_newest_until_something_else_is_wanted() -> None:
    playhead = Playhead(3)
    playhead.follow(True)
    assert playhead.at == 2
    playhead.grow(8)
    assert playhead.at == 7
    playhead.move_by(-1)
    playhead.grow(9)
    assert (playhead.at, playhead.newest) == (6, False)


def test_an_empty_reel_stands_at_nothing_and_plays_nothing() -> None:
    playhead = Playhead(0)
    playhead.loop = True
    playhead.play(True, 0.0)
    assert playhead.update(0.0) == (0, None)
    playhead.move_by(5)
    playhead.seek(-1)
    assert (playhead.at, playhead.playing) == (0, False)
